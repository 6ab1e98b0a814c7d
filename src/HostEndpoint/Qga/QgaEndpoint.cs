using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Host.Qga;

/// <summary>
/// Where a guest's qemu-ga is, as an endpoint of a channel: behind it the calls of the channel become commands. So an
/// instance with qemu-ga alone is used by the same clients as any other.
/// </summary>
internal sealed class QgaEndpoint : ITransportEndpoint
{
    private const string Name = "qga";

    private readonly ITransportEndpoint _port;
    private QgaBridge? _bridge;

    private QgaEndpoint(string path) => (Uri, _port) = ($"{Name}://{path}", TransportEndpoints.Create("virtio-serial://" + path));

    /// <summary>Its URI scheme, in front of the path of the chardev's Unix socket.</summary>
    public static EndpointScheme Scheme { get; } = new(Name, TargetForm.Path, $"{Name}:///run/vm1.qga", static uri => new QgaEndpoint(uri.Target));

    /// <inheritdoc/>
    public string Uri { get; }

    /// <summary>The way to commands that the channel has no call for.</summary>
    public QgaClient Client => Bridge.Client;

    private QgaBridge Bridge => _bridge ??= new QgaBridge(new QgaClient(_port), Uri, static _ => { }, TimeProvider.System);

    /// <summary>Makes an endpoint; nothing is opened yet.</summary>
    /// <param name="socket">The socket's path, or a URI of it.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadEndpointUri"/>.</exception>
    public static QgaEndpoint Create(string socket) =>
        new(socket.StartsWith($"{Name}://", StringComparison.OrdinalIgnoreCase) ? socket[(Name.Length + 3)..] : socket);

    /// <summary>Gives it its instance's alarm and clock, before it is opened.</summary>
    /// <param name="alarm">Told what an operator must know at once.</param>
    /// <param name="time">The clock.</param>
    public void Bind(Action<string> alarm, TimeProvider time) =>
        _bridge = new QgaBridge(new QgaClient(_port, new QgaClientOptions { Time = time }), Uri, alarm, time);

    /// <inheritdoc/>
    public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) => Bridge.OpenAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _bridge?.DisposeAsync() ?? _port.DisposeAsync();
}
