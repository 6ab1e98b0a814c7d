using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using ChannelSdk.Bench.Wire;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Bench;

/// <summary>The agent's binary, start and idle memory beside those of Debian's qemu-ga, both on a Unix socket of this machine.</summary>
internal static class AgentBench
{
    private const int Rounds = 11;

    public static async Task<int> RunAsync()
    {
        var agent = Path.GetFullPath("artifacts/agent/channel-agent");
        var (ourStart, ourMemory, theirStart, theirMemory) = (new Samples(), new Samples(), new Samples(), new Samples());
        for (var round = 0; round < Rounds; round++)
        {
            await MeasureAsync(ourStart, ourMemory, socket => new ProcessStartInfo(agent,
                ["run", "--endpoint", $"unix-listen://{socket}", "--control-socket", "none"]), HandshakeAsync);
            await MeasureAsync(theirStart, theirMemory, QemuGa.Start, PingAsync);
        }

        Console.WriteLine($"medians of {Rounds} starts; ready = first answered call on a Unix socket; idle = 2 s later");
        Console.WriteLine();
        Console.WriteLine("| | binary, KiB | linked | exec to ready, ms | idle RSS, KiB |");
        Console.WriteLine("|---|---|---|---|---|");
        Print("channel-agent", agent, "static", ourStart, ourMemory);
        Print("qemu-ga", QemuGa.Program, "dynamic, with glib", theirStart, theirMemory);
        return 0;
    }

    private static async Task MeasureAsync(Samples start, Samples memory, Func<string, ProcessStartInfo> command, Func<string, Task> answeredAsync)
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-bench-");
        var socket = Path.Combine(folder.FullName, "s");
        var info = command(socket);
        (info.RedirectStandardOutput, info.RedirectStandardError) = (true, true);
        var at = Stopwatch.GetTimestamp();
        using var process = Process.Start(info)!;
        try
        {
            await answeredAsync(socket);
            start.Add(Stopwatch.GetElapsedTime(at).TotalMilliseconds);
            // What is measured next is an agent that has been idle for so long.
            await Task.Delay(2000);
            process.Refresh();
            memory.Add(process.WorkingSet64 / 1024.0);
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
            folder.Delete(recursive: true);
        }
    }

    private static async Task HandshakeAsync(string socket)
    {
        WaitFor(socket);
        await using var channel = new Channel(PeerRole.Host, TransportEndpoints.Create($"unix://{socket}"), new ServiceRegistry(), new ChannelOptions());
        channel.Start();
        await channel.CallAsync(InfoMethods.Ping, new Protocol.Services.PingRequest());
    }

    private static async Task PingAsync(string path)
    {
        WaitFor(path);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        await socket.SendAsync("{\"execute\":\"guest-ping\"}\n"u8.ToArray());
        await socket.ReceiveAsync(new byte[64]);
    }

    /// <summary>Spins: a sleep would be most of what is measured.</summary>
    private static void WaitFor(string socket)
    {
        var start = Stopwatch.GetTimestamp();
        while (!CanConnect(socket))
        {
            if (Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(20))
            {
                throw new InvalidOperationException($"nothing listens on {socket}");
            }

            Thread.Sleep(0);
        }
    }

    // A socket file is there before its owner listens. The probe is a plain file test until then; one connection more
    // would be a client to the agent, which serves one at a time.
    private static bool CanConnect(string socket) =>
        File.Exists(socket) && File.ReadAllText("/proc/net/unix").Split('\n').Any(line => line.EndsWith(socket, StringComparison.Ordinal) && line.Contains(" 00010000 ", StringComparison.Ordinal));

    private static void Print(string name, string path, string linked, Samples start, Samples memory) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {name} | {new FileInfo(path).Length / 1024} | {linked} | {start.Median:F1} ({start.Min:F1} to {start.Max:F1}) | {memory.Median:F0} |"));
}
