using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Bench.Wire;

namespace ChannelSdk.Bench.Qga;

/// <summary>The QEMU guest agent's protocol: Debian's qemu-ga and our agent's face, each on a Unix socket, by the same client.</summary>
internal static class QgaBench
{
    // A start takes milliseconds and is a fifth faster or slower for a second at a time, by where the scheduler has put who
    // waits for it: many, spread over the minute that the pings take.
    private const int PingRounds = 15;
    private const int StartsBetween = 20;
    private const int GuestStartRounds = 21;
    private const int Calls = 20_000;
    private const int ManyCalls = 200_000;
    private const int Part = 1 << 20;
    private const int Parts = 32;

    public static async Task<int> RunAsync(int rounds)
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-bench-");
        var (agent, qemuGa) = (Copy("artifacts/agent/channel-agent", folder), Copy(QemuGa.Program, folder));
        var theirs = new Row(socket =>
        {
            var info = QemuGa.Start(socket);
            info.FileName = qemuGa;
            return info;
        });
        var ours = new Row(socket => StartAgent(agent, socket));
        try
        {
            for (var round = 0; round < PingRounds; round++)
            {
                await InTurnAsync(StartsBetween, theirs, ours, static (_, _, _, _) => Task.CompletedTask);
                await InTurnAsync(1, theirs, ours, PingAsync);
            }

            await InTurnAsync(rounds, theirs, ours, UseAsync);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        await GuestStarts.MeasureAsync(GuestStartRounds, theirs.GuestStart, ours.GuestStart);
        Console.WriteLine($"medians; start: exec to the first answer, {((StartsBetween + 1) * PingRounds) + rounds} on this machine and {GuestStartRounds} in the guest; pings: {PingRounds} processes, {Calls} calls each; {rounds} rounds of files, by reads and writes of {Part >> 10} KiB, and of memory, after {ManyCalls} calls, 30 s later");
        Console.WriteLine();
        Console.WriteLine("| | qemu-ga | channel-agent |");
        Console.WriteLine("|---|---|---|");
        Print("start in an emulated guest, ms", theirs.GuestStart, ours.GuestStart, "F0");
        Print("start on this machine, ms", theirs.Start, ours.Start, "F2");
        Print("guest-ping p50, us", theirs.Median, ours.Median, "F1");
        Print("guest-ping p99, us", theirs.Slow, ours.Slow, "F1");
        Print("file read, MB/s", theirs.Read, ours.Read, "F0");
        Print("file write, MB/s", theirs.Write, ours.Write, "F0");
        Print("RSS, KiB", theirs.Memory, ours.Memory, "F0");
        Print("of it no file's (RssAnon), KiB", theirs.Own, ours.Own, "F0");
        return 0;
    }

    private static ProcessStartInfo StartAgent(string agent, string socket)
    {
        var (file, folder) = (socket + ".toml", Path.GetDirectoryName(socket));
        File.WriteAllText(file, $"""
            endpoint = "unix-listen://{socket}.channel"
            control_socket = "none"
            metadata_relay = "off"
            [qga]
            listen = "{socket}"
            [files]
            read = ["{folder}"]
            write = ["{folder}"]
            """);
        return new ProcessStartInfo(agent, ["run", "--config", file]);
    }

    /// <summary>Both were written a moment ago and by the same call: how a file lies in the page cache is a tenth of a start.</summary>
    private static string Copy(string program, DirectoryInfo folder)
    {
        var copy = Path.Combine(folder.FullName, Path.GetFileName(program));
        File.Copy(program, copy);
        return copy;
    }

    private static async Task InTurnAsync(int rounds, Row theirs, Row ours, Func<Row, Client, Process, string, Task> useAsync)
    {
        for (var round = 0; round < rounds; round++)
        {
            await StartAsync(theirs, useAsync);
            await StartAsync(ours, useAsync);
        }
    }

    private static async Task StartAsync(Row row, Func<Row, Client, Process, string, Task> useAsync)
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-bench-");
        var path = Path.Combine(folder.FullName, "s");
        var info = row.Command(path);
        (info.RedirectStandardOutput, info.RedirectStandardError) = (true, true);
        var at = Stopwatch.GetTimestamp();
        using var process = Process.Start(info)!;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            using var socket = Connect(path);
            var client = new Client(socket);
            client.Call("{\"execute\":\"guest-ping\"}\n");
            row.Start.Add(Stopwatch.GetElapsedTime(at).TotalMilliseconds);
            await useAsync(row, client, process, Path.Combine(folder.FullName, "file"));
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
            folder.Delete(recursive: true);
        }
    }

    private static Task PingAsync(Row row, Client client, Process process, string file)
    {
        var times = new double[Calls];
        client.Pings(times);
        row.Median.Add(Samples.Percentile(times, 0.5));
        row.Slow.Add(Samples.Percentile(times, 0.99));
        return Task.CompletedTask;
    }

    /// <summary>Copies a file both ways, makes a day's calls, and looks at the memory once they are over.</summary>
    private static async Task UseAsync(Row row, Client client, Process process, string file)
    {
        row.Write.Add(Write(client, file));
        row.Read.Add(Read(client, file));
        client.Pings(new double[ManyCalls]);
        await Task.Delay(TimeSpan.FromSeconds(30));
        process.Refresh();
        row.Memory.Add(process.WorkingSet64 / 1024.0);
        var own = File.ReadLines($"/proc/{process.Id}/status").First(static line => line.StartsWith("RssAnon:", StringComparison.Ordinal));
        row.Own.Add(double.Parse(own.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture));
    }

    private static double Write(Client client, string path)
    {
        var handle = client.Call($"{{\"execute\":\"guest-file-open\",\"arguments\":{{\"path\":\"{path}\",\"mode\":\"w\"}}}}\n").Number();
        var content = new byte[Part];
        new Random(1).NextBytes(content);
        var request = $"{{\"execute\":\"guest-file-write\",\"arguments\":{{\"handle\":{handle},\"buf-b64\":\"{Convert.ToBase64String(content)}\"}}}}\n";
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < Parts; i++)
        {
            client.Call(request);
        }

        client.Call($"{{\"execute\":\"guest-file-close\",\"arguments\":{{\"handle\":{handle}}}}}\n");
        return Rate(start);
    }

    private static double Read(Client client, string path)
    {
        var handle = client.Call($"{{\"execute\":\"guest-file-open\",\"arguments\":{{\"path\":\"{path}\"}}}}\n").Number();
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < Parts; i++)
        {
            client.Call($"{{\"execute\":\"guest-file-read\",\"arguments\":{{\"handle\":{handle},\"count\":{Part}}}}}\n");
        }

        var rate = Rate(start);
        client.Call($"{{\"execute\":\"guest-file-close\",\"arguments\":{{\"handle\":{handle}}}}}\n");
        return rate;
    }

    private static double Rate(long start) => (double)Part * Parts / 1e6 / Stopwatch.GetElapsedTime(start).TotalSeconds;

    /// <summary>Spins: a sleep would be most of what is measured.</summary>
    private static Socket Connect(string path)
    {
        for (var limit = Stopwatch.StartNew(); limit.Elapsed < TimeSpan.FromSeconds(20);)
        {
            if (File.Exists(path))
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    socket.Connect(new UnixDomainSocketEndPoint(path));
                    return socket;
                }
                catch (SocketException)
                {
                    socket.Dispose();
                }
            }

            Thread.Sleep(0);
        }

        throw new InvalidOperationException($"nothing listens on {path}");
    }

    private static void Print(string name, Samples theirs, Samples ours, string format) => Console.WriteLine(
        $"| {name} | {theirs.Median.ToString(format, CultureInfo.InvariantCulture)} | {ours.Median.ToString(format, CultureInfo.InvariantCulture)} |");

    private sealed record Row(Func<string, ProcessStartInfo> Command)
    {
        public Samples Start { get; } = new();

        public Samples GuestStart { get; } = new();

        public Samples Median { get; } = new();

        public Samples Slow { get; } = new();

        public Samples Read { get; } = new();

        public Samples Write { get; } = new();

        public Samples Memory { get; } = new();

        public Samples Own { get; } = new();
    }

    /// <summary>Sends prepared text and reads whole lines, with as little of its own as possible.</summary>
    private sealed class Client(Socket socket)
    {
        // One for all: to clear so much memory again takes as long as a part of what is measured.
        private static readonly byte[] s_buffer = new byte[4 << 20];
        private int _length;

        public Client Call(string request)
        {
            Call(Encoding.ASCII.GetBytes(request));
            return s_buffer.AsSpan(0, _length).StartsWith("{\"error\""u8) ? throw new InvalidOperationException(Encoding.UTF8.GetString(s_buffer, 0, _length)) : this;
        }

        public long Number()
        {
            var text = Encoding.ASCII.GetString(s_buffer, 0, _length);
            return long.Parse(text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim(' ', '\n', '}'), CultureInfo.InvariantCulture);
        }

        public void Pings(double[] times)
        {
            var request = "{\"execute\":\"guest-ping\"}\n"u8.ToArray();
            for (var i = 0; i < times.Length; i++)
            {
                var start = Stopwatch.GetTimestamp();
                Call(request);
                times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            }
        }

        private void Call(byte[] request)
        {
            for (var sent = 0; sent < request.Length;)
            {
                sent += socket.Send(request.AsSpan(sent));
            }

            for (_length = 0; _length == 0 || s_buffer[_length - 1] != (byte)'\n';)
            {
                var count = socket.Receive(s_buffer.AsSpan(_length));
                _length += count > 0 ? count : throw new InvalidOperationException("the agent has gone");
            }
        }
    }
}
