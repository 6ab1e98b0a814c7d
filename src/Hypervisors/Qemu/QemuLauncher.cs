using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Kernel;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Starts appliances under QEMU, each from the same pristine state.</summary>
public sealed class QemuLauncher : IInstanceLauncher
{
    private const uint VsockPort = 5000;
    private const string OverlayNode = "appliance";
    private const int OverlaySlot = QemuDevices.FirstDiskSlot - 1;
    private readonly QemuLauncherOptions _options;

    /// <summary>Makes a launcher.</summary>
    /// <param name="options">What they are made of.</param>
    /// <exception cref="ArgumentException">An option that is not allowed.</exception>
    public QemuLauncher(QemuLauncherOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Validated();
    }

    /// <inheritdoc/>
    public async Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ApplianceFiles.Require(_options.Kernel, _options.Initrd, _options.Disk);

        LinkLocalNetwork? tap = null;
        ITransportEndpoint? endpoint = null;
        VsockDevice? device = null;
        var confinement = QemuConfinement.Of(_options, request.Operation, Memory(request), request.Hardware.Cpus, request.OnNote);
        using var files = new QemuDescriptors();
        try
        {
            if (_options.Transport == ApplianceTransport.Tap)
            {
                tap = LinkLocalNetwork.Of($"install-{request.Operation[..16]}");
                request.OnResource(new LaunchResource(LaunchResourceKind.Network, tap.Name));
                tap.SetUp();
            }

            if (_options.Transport == ApplianceTransport.Vsock)
            {
                device = new VsockDevice(new VsockDeviceOptions { SocketPath = Path.Combine(request.Folder, "vsock") });
                device.Start();
            }

            var channelSocket = confinement.ForwardSocket(request.Operation) ?? Path.Combine(request.Folder, "net.sock");
            var tokenFile = Path.Combine(request.Folder, "net.token");
            if (confinement.ForwardSocket(request.Operation) is { } outside)
            {
                request.OnResource(new LaunchResource(LaunchResourceKind.File, outside));
            }

            // Listening before the guest dials, where it is the guest that does.
            endpoint = _options.Transport switch
            {
                ApplianceTransport.Tap => TransportEndpoints.Create($"tap://{tap!.Name}"),
                ApplianceTransport.UserNet => UserNetToken.Create(tokenFile).Listen(channelSocket, confinement.User?.Uid),
                ApplianceTransport.Vsock => device!.Listen(VsockPort),
                _ => null,
            };
            var overlay = _options.Disk is null || _options.IsDiskReadOnly ? null : Path.Combine(request.Folder, "disk.qcow2");
            if (overlay is not null)
            {
                Qcow2Overlay.Create(overlay, new TargetDisk(_options.Disk!, _options.DiskFormat));
            }

            var options = Options(request, tap, channelSocket, tokenFile, overlay, confinement, files);
            var guest = await QemuGuest.StartAsync(options with { VsockSocket = device?.SocketPath }, cancellationToken).ConfigureAwait(false);
            if (guest.Process is { } process)
            {
                request.OnResource(LaunchResource.Of(process));
            }

            foreach (var group in guest.ControlGroups)
            {
                request.OnResource(new LaunchResource(LaunchResourceKind.ControlGroup, group));
            }

            return new Launched(guest, endpoint ?? TransportEndpoints.Create(guest.ChannelUri), tap, device, confinement,
                Devices(request.Disks.Count + request.Media.Count, _options.Disk is not null), request.Disks.Count);
        }
        catch
        {
            confinement.Dispose();
            File.Delete(Path.Combine(request.Folder, "net.token"));
            if (endpoint is not null)
            {
                await endpoint.DisposeAsync().ConfigureAwait(false);
            }

            if (device is not null)
            {
                await device.DisposeAsync().ConfigureAwait(false);
            }

            tap?.Remove();
            throw;
        }
    }

    private QemuOptions Options(LaunchRequest request, LinkLocalNetwork? tap, string channelSocket, string tokenFile, string? overlay, QemuConfinement confinement, QemuDescriptors files)
    {
        var address = $"tcp://{LinkLocalAddresses.Host}:{LinkLocalAddresses.ChannelPort}";
        var (network, append) = _options.Transport switch
        {
            ApplianceTransport.Tap => ((QemuNetwork?)new QemuNetwork.Tap(tap!), $"channel.endpoint={address} channel.net=static"),
            ApplianceTransport.UserNet => (new QemuNetwork.User(_options.ForwardProgram ?? throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                "the user network needs the path of channel-forward"), channelSocket, TokenFile: tokenFile), $"channel.endpoint={address} channel.net=dhcp"),
            ApplianceTransport.Vsock => (null, $"channel.endpoint=vsock://2:{VsockPort}"),
            _ => (null, ""),
        };
        return new QemuOptions
        {
            Kernel = files.AddPath(ApplianceFiles.Open(_options.Kernel, confinement.User is not null)),
            Initrd = files.AddPath(ApplianceFiles.Open(_options.Initrd, confinement.User is not null)),
            Append = $"{append} {_options.Append}".Trim(),
            MemoryMiB = Memory(request),
            Cpus = request.Hardware.Cpus,
            Accelerator = confinement.Accelerator,
            RunAs = confinement.User,
            Sandbox = _options.Sandbox,
            Network = network,
            Folder = request.Folder,
            Environment = request.Environment,
            Confinement = confinement,
            Descriptors = files,
            WatchedDisks = request.Disks.Index().Select(d => KeyValuePair.Create(NodeOf(d.Index), d.Item.Path))
                .Concat(overlay is null ? [] : [KeyValuePair.Create(OverlayNode, overlay)]).ToDictionary(),
            Arguments =
            [
                // What an appliance was given may be secret: no core dump has its memory.
                "-machine", "dump-guest-core=off",
                // In slots of their own and in their order, so that the appliance's names follow it.
                .. overlay is not null ? QemuDisk.Overlay(files, overlay, _options.Disk!, _options.DiskFormat, OverlayNode, OverlaySlot)
                    : _options.Disk is { } shared ? QemuDisk.Arguments(files, shared, _options.DiskFormat, OverlayNode, OverlaySlot, isReadOnly: true) : [],
                .. request.Disks.SelectMany((disk, i) => QemuDisk.Arguments(files, disk.Path, disk.Format, NodeOf(i), QemuDevices.FirstDiskSlot + i)),
                .. request.Media.SelectMany((path, i) => QemuDisk.Arguments(files, path, "raw", $"medium{Invariant(i)}", QemuDevices.FirstDiskSlot + request.Disks.Count + i, isReadOnly: true)),
                .. QemuDevices.Nics([.. request.Hardware.Nics.Take(QemuDevices.MaxNics)], NicModel.Virtio, null),
            ],
        };
    }

    private int Memory(LaunchRequest request) => Math.Max(_options.MemoryMiB, request.Hardware.MemoryMiB ?? 0);

    private static string[] Devices(int count, bool hasOwn) => [.. Enumerable.Range(hasOwn ? 1 : 0, count).Select(i => $"/dev/vd{(char)('a' + i)}")];

    private static string NodeOf(int disk) => $"target{Invariant(disk)}";

    private static string Invariant(int number) => number.ToString(CultureInfo.InvariantCulture);

    private sealed class Launched(QemuGuest guest, ITransportEndpoint endpoint, LinkLocalNetwork? tap, VsockDevice? device, QemuConfinement confinement, string[] devices, int disks) : ILaunchedInstance
    {
        public ITransportEndpoint Endpoint => endpoint;

        public IReadOnlyList<string> DiskDevices => devices[..disks];

        public IReadOnlyList<string> MediaDevices => devices[disks..];

        public Task Exited { get; } = guest.Over;

        // Half of the time for QEMU to flush what it holds of the disks, the other for the kernel to take it away.
        public Task KillAsync(TimeSpan within) => guest.EndAsync(within / 2, within / 2);

        public ValueTask<LaunchDiagnosis> DiagnoseAsync() => guest.DiagnoseAsync();

        public async ValueTask DisposeAsync()
        {
            await guest.DisposeAsync().ConfigureAwait(false);
            confinement.Dispose();
            if (device is not null)
            {
                await device.DisposeAsync().ConfigureAwait(false);
            }

            // The listener of a channel lives in the namespace until the endpoint is disposed of; removing takes only its name.
            tap?.Remove();
        }
    }
}
