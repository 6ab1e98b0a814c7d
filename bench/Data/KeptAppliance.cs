using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Faulty;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Bench.Data;

/// <summary>
/// One appliance that all operations of a row run in, and the file copies beside them: no boot stands between what is compared. The
/// disks are its own and not those of a request.
/// </summary>
internal sealed class KeptAppliance : IInstanceLauncher, IAsyncDisposable
{
    private const uint VsockPort = 5000;
    private readonly VsockDevice? _device;
    private readonly QemuGuest _guest;
    private FaultyEndpoint? _last;

    private KeptAppliance(VsockDevice? device, QemuGuest guest) => (_device, _guest) = (device, guest);

    /// <summary>What goes wrong with the links of the next channel.</summary>
    public FaultPlan Faults { get; set; } = FaultPlan.None;

    /// <summary>Links of the last channel.</summary>
    public int Links => _last?.LinksOpened ?? 0;

    /// <summary>Boots the test guest as an appliance, with raw disks.</summary>
    public static async Task<KeptAppliance> BootAsync(string folder, bool isVsock, params string[] disks)
    {
        VsockDevice? device = null;
        if (isVsock)
        {
            device = new VsockDevice(new VsockDeviceOptions { SocketPath = Path.Combine(folder, "vsock") });
            device.Start();
        }

        var guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = ".cache/guest/vmlinuz",
            Initrd = ".cache/guest/initrd",
            Append = $"channel.install=allow{(isVsock ? $" channel.endpoint=vsock://2:{VsockPort}" : "")}",
            MemoryMiB = 512,
            VsockSocket = device?.SocketPath,
            Arguments = [.. disks.SelectMany((disk, i) => (string[])["-drive", $"file={disk},if=none,id=d{i},format=raw", "-device", $"virtio-blk-pci,drive=d{i},addr={9 + i:x}"])],
        });
        return new KeptAppliance(device, guest);
    }

    public Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default) =>
        Task.FromResult<ILaunchedInstance>(new Lent(this, Endpoint(), request.Disks.Count));

    /// <summary>The appliance as an instance, for what is no operation.</summary>
    public async Task<T> AttachAsync<T>(Func<Instance, Task<T>> use)
    {
        await using var host = new ChannelHost();
        var instance = host.Attach("appliance", Endpoint());
        await instance.WaitReadyAsync();
        return await use(instance);
    }

    /// <summary>Runs a command in it.</summary>
    public Task ShellAsync(string command) => AttachAsync(async instance =>
    {
        var result = await instance.Exec.RunAsync(new ExecOptions { Command = ["/bin/sh", "-ec", command] });
        return result.Exit.Code == 0 ? true : throw new InvalidOperationException($"'{command}' ended with {result.Exit.Code}: {System.Text.Encoding.UTF8.GetString(result.Error.Span)}");
    });

    public async ValueTask DisposeAsync()
    {
        await _guest.DisposeAsync();
        if (_device is not null)
        {
            await _device.DisposeAsync();
        }
    }

    private FaultyEndpoint Endpoint()
    {
        _last = new FaultyEndpoint(_device?.Listen(VsockPort) ?? TransportEndpoints.Create(_guest.ChannelUri), Faults);
        Faults = FaultPlan.None;
        return _last;
    }

    private sealed class Lent(KeptAppliance owner, ITransportEndpoint endpoint, int disks) : ILaunchedInstance
    {
        public ITransportEndpoint Endpoint => endpoint;

        public IReadOnlyList<string> DiskDevices { get; } = [.. Enumerable.Range(0, disks).Select(i => $"/dev/vd{(char)('a' + i)}")];

        public Task Exited => owner._guest.Exited;

        public Task KillAsync(TimeSpan within) => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
