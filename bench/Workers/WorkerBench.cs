using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Workers;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Bench.Workers;

/// <summary>Idle instances, each with a worker: how long the start of all takes, and what they cost this machine then.</summary>
internal static class WorkerBench
{
    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(20);

    public static async Task<int> RunAsync(int count)
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-bench-");
        // In another process, as what guests cost is not asked here.
        using var guests = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["worker-guests", folder.FullName, count.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            await guests.StandardOutput.ReadLineAsync();
            await using var host = new ChannelHost();
            var options = new InstanceOptions { Isolation = HostIsolation.Worker, Worker = new WorkerOptions { Program = Path.GetFullPath("artifacts/host/channel-worker") } };
            var begin = Stopwatch.GetTimestamp();
            var instances = Enumerable.Range(0, count).Select(i => host.Attach($"vm{i}", $"unix://{folder.FullName}/{i}", options)).ToList();
            foreach (var instance in instances)
            {
                await instance.WaitReadyAsync();
            }

            var started = Stopwatch.GetElapsedTime(begin);
            var workers = instances.ConvertAll(static instance => instance.Status.Worker!.ProcessId);
            await Task.Delay(s_idle / 2);
            var (before, own) = (workers.Sum(Ticks), Ticks(Environment.ProcessId));
            await Task.Delay(s_idle);
            var (used, ownUsed) = (workers.Sum(Ticks) - before, Ticks(Environment.ProcessId) - own);
            var memory = workers.ConvertAll(Private).Order().ToList();
            Console.WriteLine("| idle instances | start of all, s | private of a worker, KiB: median (most) | private of all, MiB | shared of all by parts, MiB | of the supervisor, MiB | cpu of workers, % of a core | of the supervisor |");
            Console.WriteLine("|---|---|---|---|---|---|---|---|");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {count} | {started.TotalSeconds:F1} | {memory[count / 2]} ({memory[^1]}) | {memory.Sum() / 1024} | {workers.Sum(static pid => Rollup(pid, "Pss:")) / 1024 - memory.Sum() / 1024} | {Private(Environment.ProcessId) / 1024} | {Share(used):F1} | {Share(ownUsed):F1} |"));
            return 0;
        }
        finally
        {
            guests.StandardInput.Close();
            await guests.WaitForExitAsync();
            folder.Delete(recursive: true);
        }

        // Hundredths of a second in a second are percent.
        static double Share(long ticks) => ticks / s_idle.TotalSeconds;
    }

    /// <summary>The guests, until the input ends.</summary>
    public static async Task<int> RunGuestsAsync(string folder, int count)
    {
        var channels = new List<Channel>();
        for (var i = 0; i < count; i++)
        {
            var services = new ServiceRegistry();
            services.Unary(InfoMethods.Ping, static (request, _) => ValueTask.FromResult(new Protocol.Services.PingReply()));
            var channel = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{folder}/{i}"), services);
            channel.Start();
            channels.Add(channel);
        }

        Console.WriteLine("ready");
        await Console.In.ReadToEndAsync();
        foreach (var channel in channels)
        {
            await channel.DisposeAsync();
        }

        return 0;
    }

    /// <summary>Hundredths of a second of a processor.</summary>
    private static long Ticks(int pid)
    {
        // utime and stime, fields 14 and 15 of proc(5).
        var fields = ProcessStat.Fields($"/proc/{pid}");
        return long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
    }

    private static long Private(int pid) => Rollup(pid, "Private_Clean:") + Rollup(pid, "Private_Dirty:");

    private static long Rollup(int pid, string name)
    {
        var line = File.ReadLines($"/proc/{pid}/smaps_rollup").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line[name.Length..^"kB".Length], CultureInfo.InvariantCulture);
    }
}
