using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;

namespace ChannelSdk.Metadata.Http;

/// <summary>
/// A Kestrel's one listener: it hands over connections, however they were accepted. So an instance costs a listening socket
/// and nothing in Kestrel.
/// </summary>
public sealed class ConnectionHub : IConnectionListenerFactory, IConnectionListener
{
    private readonly Channel<ConnectionContext> _accepted = Channel.CreateBounded<ConnectionContext>(new BoundedChannelOptions(256)
    {
        SingleReader = true,
    });

    /// <summary>What Kestrel is told to listen on.</summary>
    public EndPoint EndPoint { get; } = new HubEndPoint();

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        return new(this);
    }

    /// <summary>Hands a connection to Kestrel; false if the server has stopped.</summary>
    public async ValueTask<bool> AddAsync(ConnectionContext connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        try
        {
            await _accepted.Writer.WriteAsync(connection).ConfigureAwait(false);
            return true;
        }
        catch (ChannelClosedException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await _accepted.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (_accepted.Reader.TryRead(out var connection))
            {
                return connection;
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        _accepted.Writer.TryComplete();
        return default;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => UnbindAsync();

    private sealed class HubEndPoint : EndPoint
    {
        public override string ToString() => "instances";
    }
}
