using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.Store;

namespace ChannelSdk.Bench.Http;

/// <summary>
/// The metadata server beside nginx with the same bytes in a file: each on core 0, the client on core 1. Then many instances
/// of which one floods.
/// </summary>
internal static class HttpBench
{
    private const string Path = "/latest/meta-data/local-hostname";
    private const string Value = "vm1.example.org";
    private static readonly (string Name, int Connections, bool KeepAlive)[] s_shapes =
        [("1 connection", 1, true), ("16 connections", 16, true), ("a new connection each", 1, false)];

    public static async Task<int> RunAsync(int rounds)
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-bench-").FullName;
        try
        {
            await CompareAsync(folder, rounds);
            await FloodAsync(folder);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The peer's process: instances vm0.. on ports from the given one on.</summary>
    public static async Task<int> RunPeerAsync(string folder, int firstPort, int instances)
    {
        MetadataServer.AnswerOnSocketThreads();
        using var store = new FolderMetadataStore(folder);
        await using var server = await MetadataServer.StartAsync(store, new MetadataServerOptions { RequestsPerSecond = instances == 1 ? 10_000_000 : 200 });
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 0; i < instances; i++)
        {
            store.Put($"vm{i}", InstanceMetadata.Parse(Encoding.UTF8.GetBytes($"instance_id: i-{i}\nhostname: {Value}\n")));
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, firstPort + i));
            server.AttachInstance($"vm{i}").AddListener(socket);
        }

        Console.WriteLine((GC.GetTotalMemory(forceFullCollection: true) - before) / instances);
        await Task.Delay(Timeout.Infinite);
        return 0;
    }

    private static async Task CompareAsync(string folder, int rounds)
    {
        using var nginx = StartNginx(folder, 18081);
        var (ours, _) = await StartOursAsync(folder, 18082, 1);
        using (ours)
        {
            var rows = s_shapes.ToDictionary(s => s.Name, _ => (Nginx: new Figures(), Ours: new Figures()));
            for (var round = 0; round <= rounds; round++)
            {
                Console.Error.WriteLine(round == 0 ? "bench: warm-up" : $"bench: round {round} of {rounds}");
                foreach (var (name, connections, keepAlive) in s_shapes)
                {
                    var row = rows[name];
                    await MeasureAsync(18081, connections, keepAlive, round, row.Nginx);
                    await MeasureAsync(18082, connections, keepAlive, round, row.Ours);
                }
            }

            Console.WriteLine("| HTTP, one core each | nginx requests/s | p50 us | p99 us | ours requests/s | p50 us | p99 us | ratio |");
            Console.WriteLine("|---|---|---|---|---|---|---|---|");
            foreach (var (name, row) in rows)
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {name} | {row.Nginx} | {row.Ours} | {row.Ours.Rate.Median / row.Nginx.Rate.Median:F2} |"));
            }
        }
    }

    private static async Task FloodAsync(string folder)
    {
        const int instances = 200;
        var (peer, memory) = await StartOursAsync(System.IO.Path.Combine(folder, "many"), 19000, instances);
        using (peer)
        {
            Console.WriteLine();
            Console.WriteLine($"{instances} instances in one process: {memory / 1024} KiB managed memory each");
            var (quiet, flooded) = (new Samples(), new Samples());
            for (var round = 0; round < 5; round++)
            {
                quiet.Add(await QuietAsync());
                using var stop = new CancellationTokenSource();
                var flood = HttpLoad.RunAsync(new IPEndPoint(IPAddress.Loopback, 19000), Path, 16, true, Value.Length, TimeSpan.FromSeconds(3), anyStatus: true);
                await Task.Delay(500);
                flooded.Add(await QuietAsync());
                await flood;
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"another instance's p99, one request each 5 ms: {quiet.Median:F0} us, {flooded.Median:F0} us while instance 0 floods: {flooded.Median / quiet.Median:F2}x"));
        }
    }

    /// <summary>p99 of 300 paced requests of an instance that does nothing wrong.</summary>
    private static async Task<double> QuietAsync()
    {
        var times = new double[300];
        for (var i = 0; i < times.Length; i++)
        {
            await Task.Delay(5);
            var (_, one) = await HttpLoad.RunAsync(new IPEndPoint(IPAddress.Loopback, 19001 + (i % 100)), Path, 1, false, Value.Length, TimeSpan.Zero);
            times[i] = one[0];
        }

        return Samples.Percentile(times, 0.99);
    }

    private static async Task MeasureAsync(int port, int connections, bool keepAlive, int round, Figures figures)
    {
        var (perSecond, times) = await HttpLoad.RunAsync(new IPEndPoint(IPAddress.Loopback, port), Path, connections, keepAlive, Value.Length, TimeSpan.FromSeconds(2));
        if (round > 0)
        {
            figures.Rate.Add(perSecond);
            figures.Middle.Add(Samples.Percentile(times, 0.5));
            figures.Tail.Add(Samples.Percentile(times, 0.99));
        }
    }

    private static PeerHandle StartNginx(string folder, int port)
    {
        var root = System.IO.Path.Combine(folder, "root/latest/meta-data");
        Directory.CreateDirectory(root);
        File.WriteAllText(System.IO.Path.Combine(root, "local-hostname"), Value);
        var configuration = System.IO.Path.Combine(folder, "nginx.conf");
        File.WriteAllText(configuration, $$"""
            daemon off; user root; worker_processes 1; pid {{folder}}/nginx.pid; error_log {{folder}}/error.log;
            events { worker_connections 1024; }
            http {
              access_log off; default_type text/plain; keepalive_requests 100000000; open_file_cache max=100;
              client_body_temp_path {{folder}}/b; proxy_temp_path {{folder}}/p; fastcgi_temp_path {{folder}}/f; uwsgi_temp_path {{folder}}/u; scgi_temp_path {{folder}}/s;
              server { listen 127.0.0.1:{{port}}; root {{folder}}/root; }
            }
            """);
        var process = Process.Start(new ProcessStartInfo("taskset", ["-c", "0", "nginx", "-p", folder, "-c", configuration]))!;
        Thread.Sleep(500);
        return new PeerHandle(process);
    }

    private static async Task<(PeerHandle Peer, long Memory)> StartOursAsync(string folder, int port, int instances)
    {
        var start = new ProcessStartInfo("taskset", ["-c", "0", Environment.ProcessPath!, "http-peer", System.IO.Path.Combine(folder, "store"),
            port.ToString(CultureInfo.InvariantCulture), instances.ToString(CultureInfo.InvariantCulture)])
        { RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        var line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the metadata server did not come up");
        return (new PeerHandle(process), long.Parse(line, CultureInfo.InvariantCulture));
    }

    private sealed class Figures
    {
        public Samples Rate { get; } = new();
        public Samples Middle { get; } = new();
        public Samples Tail { get; } = new();

        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Rate.Median:F0} | {Middle.Median:F0} | {Tail.Median:F0}");
    }

    private sealed class PeerHandle(Process process) : IDisposable
    {
        public void Dispose()
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            process.Dispose();
        }
    }
}
