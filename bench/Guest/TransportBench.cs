using System.Diagnostics;
using System.Globalization;
using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Measure;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Vsock.Device;
using Google.Protobuf;

namespace ChannelSdk.Bench.Guest;

/// <summary>
/// The transports of one guest side by side: three agents in it, over virtio-serial, our vsock device and a tap. Rounds are
/// interleaved; what counts are the ratios.
/// </summary>
internal static class TransportBench
{
    private const int Calls = 300;
    private const long Bytes = 48 << 20;

    public static async Task<int> RunAsync(int rounds)
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-bench-").FullName;
        var network = LinkLocalNetwork.Of($"bench-{Environment.ProcessId}");
        network.SetUp();
        try
        {
            await using var device = new VsockDevice(new VsockDeviceOptions { SocketPath = Path.Combine(folder, "vsock") });
            device.Start();
            await using var guest = await QemuGuest.StartAsync(new QemuOptions
            {
                Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
                Kernel = ".cache/guest/vmlinuz",
                Initrd = ".cache/guest/initrd",
                Append = "channel.net=static",
                VsockSocket = device.SocketPath,
                Network = new QemuNetwork.Tap(network),
            });
            await using var host = new ChannelHost();
            var serial = host.Attach("serial", guest.ChannelUri);
            await serial.WaitReadyAsync();
            (string Name, Instance Instance)[] rows =
            [
                ("virtio-serial", serial),
                ("vsock, our device", await StartAgentAsync(serial, host.Attach("vsock", device.Listen(5000)), "vsock://2:5000")),
                ("tap, TCP", await StartAgentAsync(serial, host.Attach("tap", TransportEndpoints.Create($"tap://{network.Name}")),
                    $"tcp://{LinkLocalAddresses.Host}:{LinkLocalAddresses.ChannelPort}")),
            ];
            var figures = rows.Select(_ => new Figures()).ToArray();
            for (var round = 0; round <= rounds; round++)
            {
                Console.Error.WriteLine(round == 0 ? "bench: warm-up" : $"bench: round {round} of {rounds}");
                for (var i = 0; i < rows.Length; i++)
                {
                    await MeasureAsync(rows[i].Instance, serial, figures[i], isWarmUp: round == 0);
                }
            }

            Print(rows.Select(r => r.Name).ToArray(), figures, rounds);
            return 0;
        }
        finally
        {
            network.Remove();
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Another agent in the guest, on its own endpoint.</summary>
    private static async Task<Instance> StartAgentAsync(Instance first, Instance instance, string endpoint)
    {
        var started = await first.Exec.StartAsync(new ExecOptions
        {
            Command = ["/bin/sh", "-c", $"setsid channel-agent run --endpoint {endpoint} --control-socket none </dev/null >/dev/null 2>&1 &"],
        });
        await started.ExitAsync();
        await instance.WaitReadyAsync();
        return instance;
    }

    private static async Task MeasureAsync(Instance instance, Instance observer, Figures figures, bool isWarmUp)
    {
        var times = new double[Calls];
        var before = await CountersAsync(observer);
        var request = new EchoRequest { Payload = ByteString.CopyFrom(new byte[64]) };
        for (var i = 0; i < Calls; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await instance.Channel.CallAsync(MeasureMethods.Echo, request);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        var after = await CountersAsync(observer);
        var sent = await RateAsync(() => instance.Measure.SendAsync(Bytes));
        var received = await RateAsync(() => instance.Measure.ReceiveAsync(Bytes));
        if (!isWarmUp)
        {
            figures.Median.Add(Samples.Percentile(times, 0.5));
            figures.Tail.Add(Samples.Percentile(times, 0.99));
            figures.Interrupts.Add((after.Interrupts - before.Interrupts) / (double)Calls);
            figures.Switches.Add((after.Switches - before.Switches) / (double)Calls);
            figures.Sent.Add(sent);
            figures.Received.Add(received);
        }
    }

    /// <summary>What the guest's kernel has counted since its start, of all that runs in it.</summary>
    private static async Task<(long Interrupts, long Switches)> CountersAsync(Instance observer)
    {
        var result = await observer.Exec.RunAsync(new ExecOptions { Command = ["/bin/cat", "/proc/stat"] });
        var lines = Encoding.ASCII.GetString(result.Output.Span).Split('\n');
        return (Counter("intr "), Counter("ctxt "));

        long Counter(string name) => long.Parse(lines.First(l => l.StartsWith(name, StringComparison.Ordinal)).Split(' ')[1], CultureInfo.InvariantCulture);
    }

    private static async Task<double> RateAsync(Func<Task> transfer)
    {
        var start = Stopwatch.GetTimestamp();
        await transfer();
        return Bytes / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e6;
    }

    private static void Print(string[] names, Figures[] figures, int rounds)
    {
        Console.WriteLine($"medians of {rounds} rounds in one guest; x is the ratio to virtio-serial");
        Console.WriteLine();
        Console.WriteLine("| in a guest | 64 B call p50 us | x | p99 us | to the guest MB/s | x | to the host MB/s | x | guest's interrupts a call | its context switches a call |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        for (var i = 0; i < names.Length; i++)
        {
            var (own, serial) = (figures[i], figures[0]);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {names[i]} | {own.Median.Median:F0} | {own.Median.Median / serial.Median.Median:F2} | {own.Tail.Median:F0} | {own.Sent.Median:F0} | {own.Sent.Median / serial.Sent.Median:F2} | {own.Received.Median:F0} | {own.Received.Median / serial.Received.Median:F2} | {own.Interrupts.Median:F1} | {own.Switches.Median:F1} |"));
        }
    }

    private sealed class Figures
    {
        public Samples Median { get; } = new();
        public Samples Tail { get; } = new();
        public Samples Sent { get; } = new();
        public Samples Received { get; } = new();
        public Samples Interrupts { get; } = new();
        public Samples Switches { get; } = new();
    }
}
