using ChannelSdk.Transports.Tests.Vsock;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Worker.Tests;

/// <summary>
/// A guest behind a vsock device that a worker serves: its driver and QEMU are doubles in this process, which join the worker's device with one of this
/// process, over which the guest dials.
/// </summary>
internal sealed class DeviceGuest : IAsyncDisposable
{
    private const int Port = 5000;

    private readonly TestDirectory _folder = new();
    private readonly VsockDevice _own;
    private DeviceCable? _cable;

    public DeviceGuest()
    {
        _own = new VsockDevice(new VsockDeviceOptions { SocketPath = _folder["own"], AnySourcePort = true });
        _own.Start();
        Echo = new EchoGuest(_ => ($"{VsockDevice.Scheme}://{Path}?cid=3&port={Port}&source-ports=any", _own.Dial(Port)));
    }

    public EchoGuest Echo { get; }

    /// <summary>The socket that QEMU connects to.</summary>
    public string Path => _folder["device"];

    /// <summary>Starts its QEMU, once the worker's device is there.</summary>
    public async Task PlugAsync()
    {
        await WaitSocketAsync();
        _cable = await Task.Run(() => new DeviceCable(_own.SocketPath, Path)).Within();
    }

    /// <summary>Waits until the socket is there.</summary>
    public async Task WaitSocketAsync()
    {
        while (!File.Exists(Path))
        {
            await Task.Delay(5).Within();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Echo.DisposeAsync();
        _cable?.Dispose();
        await _own.DisposeAsync();
        _folder.Dispose();
    }
}
