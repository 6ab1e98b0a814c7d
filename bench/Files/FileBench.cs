using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Bench.Wire;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Files;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Bench.Files;

/// <summary>
/// A file copied out of the agent and out of Debian's qemu-ga, both on a Unix socket of this machine, memory to memory; and
/// control calls while a copy and a flood of program output run.
/// </summary>
internal static class FileBench
{
    // A host manager runs for days: both clients are measured once the runtime has compiled them to its end.
    private const int WarmUps = 6;
    private const int Bytes = 256 << 20;
    private const int Calls = 1000;
    private const int Beats = 60;

    public static async Task<int> RunAsync(int rounds)
    {
        var folder = Directory.CreateDirectory($"/dev/shm/channelsdk-bench-{Environment.ProcessId}").FullName;
        try
        {
            var source = Path.Combine(folder, "source");
            await WriteRandomAsync(source, Bytes);
            await File.WriteAllTextAsync(Path.Combine(folder, "agent.toml"), $"heartbeat_interval = \"200ms\"\n[files]\nread = [\"{folder}\"]\n[[exec]]\nprogram = \"/usr/bin/yes\"\n");
            using var agent = Process.Start(new ProcessStartInfo("artifacts/agent/channel-agent",
                ["run", "--config", $"{folder}/agent.toml", "--endpoint", $"unix-listen://{folder}/agent", "--control-socket", "none"])
            { RedirectStandardError = true })!;
            agent.ErrorDataReceived += (_, line) => { if (line.Data is not null) { Console.Error.WriteLine(line.Data); } };
            agent.BeginErrorReadLine();
            using var qemuGa = Process.Start(QemuGa.Start($"{folder}/qga"))!;
            try
            {
                await MeasureAsync(folder, source, rounds);
            }
            finally
            {
                agent.Kill();
                qemuGa.Kill();
                await agent.WaitForExitAsync();
                await qemuGa.WaitForExitAsync();
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task MeasureAsync(string folder, string source, int rounds)
    {
        await using var host = new ChannelHost();
        var instance = host.Attach("bench", $"unix://{folder}/agent",
            new InstanceOptions { Channel = new ChannelOptions { Session = new SessionOptions { HeartbeatInterval = TimeSpan.FromMilliseconds(200) } } });
        await instance.WaitReadyAsync();
        var (ours, theirs, idle, loaded) = (new Samples(), new Samples(), new Samples(), new Samples());
        var (quietBeats, busyBeats) = (new Samples(), new Samples());
        for (var i = 0; i < WarmUps; i++)
        {
            Console.Error.WriteLine($"bench: warm-up {i + 1} of {WarmUps}");
            await CopyBothAsync(instance, folder, source);
        }

        for (var round = 0; round <= rounds; round++)
        {
            Console.Error.WriteLine(round == 0 ? "bench: warm-up of calls" : $"bench: round {round} of {rounds}");
            var (our, their) = await CopyBothAsync(instance, folder, source);
            var quiet = await ControlAsync(instance);
            var quietBeat = await HeartbeatsAsync(instance);
            var (busy, busyBeat) = await UnderFloodAsync(instance, source, folder);
            if (round > 0)
            {
                ours.Add(our);
                theirs.Add(their);
                idle.Add(quiet);
                loaded.Add(busy);
                quietBeats.Add(quietBeat);
                busyBeats.Add(busyBeat);
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"file copy out, Unix socket, medians of {rounds}: ours {ours.Median / 1e6:F0} MB/s, qemu-ga's guest-file-read {theirs.Median / 1e6:F0} MB/s: {ours.Median / theirs.Median:F1}x"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"freeze.Status, p99: {idle.Median:F0} us idle, {loaded.Median:F0} us while a copy and a flood of output run: {loaded.Median / idle.Median:F1}x"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"heartbeat's round trip, p99: {quietBeats.Median:F0} us idle, {busyBeats.Median:F0} us then: {busyBeats.Median / quietBeats.Median:F1}x"));
    }

    private static async Task<(double Ours, double Theirs)> CopyBothAsync(Instance instance, string folder, string source)
    {
        var copy = Path.Combine(folder, "copy");
        var start = Stopwatch.GetTimestamp();
        await instance.Files.CopyOutAsync(source, copy, new FileCopyOptions());
        var ours = Bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
        File.Delete(copy);
        var theirs = await CopyQemuGaAsync($"{folder}/qga", source, copy);
        File.Delete(copy);
        return (ours, theirs);
    }

    /// <summary>p99 of the round trips that heartbeats measure, one each 200 ms.</summary>
    private static async Task<double> HeartbeatsAsync(Instance instance)
    {
        var times = new double[Beats];
        TimeSpan? last = null;
        for (var i = 0; i < times.Length;)
        {
            await Task.Delay(5);
            if (instance.Channel.Status.PeerHeartbeat?.RoundTrip is { } next && next != last)
            {
                (times[i++], last) = (next.TotalMicroseconds, next);
            }
        }

        return Samples.Percentile(times, 0.99);
    }

    private static async Task<double> ControlAsync(Instance instance)
    {
        var times = new double[Calls];
        for (var i = 0; i < Calls; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await instance.Freeze.StatusAsync();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        return Samples.Percentile(times, 0.99);
    }

    private static async Task<(double Calls, double Heartbeats)> UnderFloodAsync(Instance instance, string source, string folder)
    {
        using var stop = new CancellationTokenSource();
        var copy = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await instance.Files.CopyOutAsync(source, Path.Combine(folder, "copy"), new FileCopyOptions { Overwrite = true }, cancellationToken: stop.Token);
            }
        });
        var flood = FloodAsync(instance, stop.Token);
        await Task.Delay(300);
        var times = (await ControlAsync(instance), await HeartbeatsAsync(instance));
        await stop.CancelAsync();
        await Task.WhenAll(Ended(copy), Ended(flood));
        File.Delete(Path.Combine(folder, "copy"));
        return times;

        static async Task Ended(Task task)
        {
            try
            {
                await task;
            }
            catch (OperationCanceledException)
            {
                // It was stopped.
            }
        }
    }

    /// <summary>Reads and drops what a program writes without end.</summary>
    private static async Task FloodAsync(Instance instance, CancellationToken cancellationToken)
    {
        await using var session = await instance.Exec.StartAsync(new ExecOptions { Command = ["/usr/bin/yes"] }, cancellationToken);
        await session.StandardOutput.CopyToAsync(Stream.Null, cancellationToken);
    }

    /// <summary>Bytes a second of guest-file-read, 1 MiB at a time, decoded and written to a file.</summary>
    private static async Task<double> CopyQemuGaAsync(string path, string source, string destination)
    {
        await using var copy = new FileStream(destination, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        var buffer = new byte[4 << 20];
        var opened = Encoding.ASCII.GetString((await CallAsync(socket, $"{{\"execute\":\"guest-file-open\",\"arguments\":{{\"path\":\"{source}\"}}}}\n", buffer)).Span);
        var handle = new string([.. opened.Where(char.IsAsciiDigit)]);
        var request = $"{{\"execute\":\"guest-file-read\",\"arguments\":{{\"handle\":{handle},\"count\":1048576}}}}\n";
        var decoded = new byte[2 << 20];
        var start = Stopwatch.GetTimestamp();
        for (var got = 0; got < Bytes;)
        {
            var line = await CallAsync(socket, request, buffer);
            var text = line.Span[(line.Span.IndexOf("\"buf-b64\": \""u8) + 12)..];
            Base64.DecodeFromUtf8(text[..text.IndexOf((byte)'"')], decoded, out _, out var count);
            got += count > 0 ? count : throw new InvalidOperationException("qemu-ga gave no bytes");
            await copy.WriteAsync(decoded.AsMemory(0, count));
        }

        var rate = Bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
        await CallAsync(socket, $"{{\"execute\":\"guest-file-close\",\"arguments\":{{\"handle\":{handle}}}}}\n", buffer);
        return rate;
    }

    private static async Task<ReadOnlyMemory<byte>> CallAsync(Socket socket, string request, byte[] buffer)
    {
        await socket.SendAsync(Encoding.ASCII.GetBytes(request));
        var have = 0;
        while (have == 0 || buffer[have - 1] != (byte)'\n')
        {
            have += await socket.ReceiveAsync(buffer.AsMemory(have));
        }

        return buffer.AsMemory(0, have);
    }

    private static async Task WriteRandomAsync(string path, int bytes)
    {
        var random = new Random(1);
        var block = new byte[1 << 20];
        await using var file = File.Create(path);
        for (var written = 0; written < bytes; written += block.Length)
        {
            random.NextBytes(block);
            await file.WriteAsync(block);
        }
    }
}
