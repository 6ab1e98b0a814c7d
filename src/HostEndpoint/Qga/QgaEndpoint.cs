using ChannelSdk.Protocol;
using ChannelSdk.Transports;

namespace ChannelSdk.HostEndpoint.Qga;

/// <summary>
/// Where a guest's qemu-ga is, as an endpoint of a channel: behind it the calls of the channel become commands. So an
/// instance with qemu-ga alone is used by the same clients as any other.
/// </summary>
internal sealed class QgaEndpoint : ITransportEndpoint
{
    /// <summary>The URI scheme, in front of the path of the chardev's Unix socket.</summary>
    public const string Prefix = "qga://";

    private readonly QgaBridge _bridge;

    private QgaEndpoint(string uri, QgaClient client, Action<string> alarm) => (Uri, _bridge) = (uri, new QgaBridge(client, uri, alarm));

    /// <inheritdoc/>
    public string Uri { get; }

    /// <summary>The way to commands that the channel has no call for.</summary>
    public QgaClient Client => _bridge.Client;

    /// <summary>Makes an endpoint; nothing is opened yet.</summary>
    /// <param name="uri">For instance <c>qga:///run/vm1.qga</c>.</param>
    /// <param name="alarm">Told what an operator must know at once.</param>
    /// <exception cref="ChannelException">BadEndpointUri.</exception>
    public static QgaEndpoint Create(string uri, Action<string> alarm)
    {
        var path = uri.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) ? uri[Prefix.Length..] : uri;
        return new QgaEndpoint(Prefix + path, QgaClient.Open(path), alarm);
    }

    /// <inheritdoc/>
    public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) => _bridge.OpenAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _bridge.DisposeAsync();
}
