using System.Diagnostics;
using ChannelSdk.Host.Workers;

namespace ChannelSdk.Bench.Wire;

/// <summary>Something that answers on a Unix socket in its own process, and what this process does with it.</summary>
internal abstract class Contender(string name) : IAsyncDisposable
{
    public string Name { get; } = name;

    /// <summary>In the peer's process: serves until the process is killed.</summary>
    public abstract Task ServeAsync(string socket);

    /// <summary>Connects.</summary>
    public abstract Task ConnectAsync(string socket);

    /// <summary>Microseconds of so many 64 B calls, one after the other; null if it has no calls.</summary>
    public virtual Task<double[]>? CallsAsync(int count) => null;

    /// <summary>Bytes a second of a stream of messages of a size to the peer; null if it has no streams.</summary>
    public virtual Task<double>? StreamAsync(int messageSize, long bytes) => null;

    /// <summary>Disconnects.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>Times calls into an array that exists before the first.</summary>
    protected static async Task<double[]> TimeAsync(int count, Func<ValueTask> call)
    {
        var times = new double[count];
        for (var i = 0; i < count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await call();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        return times;
    }
}

internal static class Contenders
{
    public static Contender[] All() =>
    [
        new RawSocket(),
        new Http2(),
        new QemuGa(),
        new Ours("ours", inline: false),
        new Ours("ours, inline", inline: true),
        new Ours("instance, in process", inline: false, HostIsolation.InProcess),
        new Ours("instance, by a worker", inline: false, HostIsolation.Worker),
        new Ours("instance, in process, inline", inline: true, HostIsolation.InProcess),
        new Ours("instance, by a worker, inline", inline: true, HostIsolation.Worker),
    ];

    public static async Task<int> RunPeerAsync(string name, string socket)
    {
        await All().Append(new Flood()).Single(c => c.Name == name).ServeAsync(socket);
        return 0;
    }
}

/// <summary>The peer's process of one contender.</summary>
internal sealed class PeerProcess : IDisposable
{
    private readonly Process _process;

    private PeerProcess(Process process, string socket) => (_process, Socket) = (process, socket);

    public string Socket { get; }

    public static async Task<PeerProcess> StartAsync(Contender contender)
    {
        var socket = Path.Combine(Directory.CreateTempSubdirectory("channelsdk-bench-").FullName, "s");
        var start = contender is QemuGa
            ? QemuGa.Start(socket)
            : new ProcessStartInfo(Environment.ProcessPath!, ["peer", contender.Name, socket]);
        start.RedirectStandardOutput = true;
        var process = Process.Start(start)!;
        for (var i = 0; !File.Exists(socket); i++)
        {
            if (i > 500 || process.HasExited)
            {
                throw new InvalidOperationException($"the peer of '{contender.Name}' did not come up");
            }

            await Task.Delay(20);
        }

        await Task.Delay(200);
        return new PeerProcess(process, socket);
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(Path.GetDirectoryName(Socket)!, recursive: true);
    }
}
