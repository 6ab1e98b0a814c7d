using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.LinkLocal;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Demo;

/// <summary>The machine that the installed disk runs in, with the chosen transport.</summary>
/// <param name="folder">For its sockets.</param>
/// <param name="transport">How its agent reaches this host.</param>
/// <param name="forwardProgram">Path of channel-forward.</param>
internal sealed class DemoMachine(string folder, ApplianceTransport transport, string forwardProgram) : IAsyncDisposable
{
    private const uint Port = 5000;
    private VsockDevice? _device;
    private LinkLocalNetwork? _network;
    private MetadataListeners? _listeners;
    private UserNetToken? _token;

    private string ChannelSocket => Path.Combine(folder, "machine.sock");

    /// <summary>Where the agent of the installed system finds its host: a parameter of the installation.</summary>
    public string GuestEndpoint => transport switch
    {
        ApplianceTransport.Vsock => $"vsock://2:{Port}",
        ApplianceTransport.Tap or ApplianceTransport.UserNet => $"tcp://{LinkLocalAddresses.Host}:{LinkLocalAddresses.ChannelPort}",
        _ => $"virtio-port://{QemuOptions.DefaultPortName}",
    };

    /// <summary>Boots a disk by its BIOS.</summary>
    /// <param name="disk">The disk.</param>
    /// <param name="memoryMiB">The machine's memory in MiB.</param>
    /// <param name="metadata">Served on the NIC, where there is one; elsewhere the agent relays it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<QemuGuest> StartAsync(string disk, int memoryMiB, MetadataInstance metadata, CancellationToken cancellationToken)
    {
        QemuNetwork? nic = null;
        _listeners = new MetadataListeners(metadata);
        switch (transport)
        {
            case ApplianceTransport.Vsock:
                _device = new VsockDevice(new VsockDeviceOptions { SocketPath = Path.Combine(folder, "vsock") });
                _device.Start();
                break;
            case ApplianceTransport.Tap:
                _network = LinkLocalNetwork.Of($"demo-{Environment.ProcessId}");
                _network.SetUp();
                nic = new QemuNetwork.Tap(_network);
                _listeners.ServeTap(_network);
                break;
            case ApplianceTransport.UserNet:
                var http = Path.Combine(folder, "http.sock");
                var token = Path.Combine(folder, "machine.token");
                _token = UserNetToken.Create(token);
                nic = new QemuNetwork.User(forwardProgram, ChannelSocket, http, token);
                _listeners.ServeForward(http);
                break;
        }

        return await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            MemoryMiB = memoryMiB,
            VsockSocket = _device?.SocketPath,
            Network = nic,
            Arguments = ["-drive", $"file={disk},if=none,id=d0,format=raw", "-device", "virtio-blk-pci,drive=d0,bootindex=1"],
        }, cancellationToken);
    }

    /// <summary>The host's end of the channel.</summary>
    public ITransportEndpoint Endpoint(QemuGuest guest) => transport switch
    {
        ApplianceTransport.Vsock => _device!.Listen(Port),
        ApplianceTransport.Tap => TransportEndpoints.Create($"tap://{_network!.Name}"),
        ApplianceTransport.UserNet => _token!.Listen(ChannelSocket),
        _ => TransportEndpoints.Create(guest.ChannelUri),
    };

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_listeners is not null)
        {
            await _listeners.DisposeAsync();
        }

        if (_device is not null)
        {
            await _device.DisposeAsync();
        }

        _network?.Remove();
    }
}
