using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>Dials the host over a link-local network, tap or user-net: the guest's side of both.</summary>
/// <param name="uri">The endpoint's URI.</param>
/// <param name="address">The host.</param>
/// <param name="token">Where the guest's token is, if it has one.</param>
internal sealed class TcpDialEndpoint(string uri, TcpAddress address, TokenLocator token) : ITransportEndpoint
{
    internal const string Scheme = "tcp";

    private bool _disposed;

    public string Uri => uri;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        // Read for each link: a restored guest has the token of the machine that it runs in now.
        using var known = token.Find();
        var link = await ConnectAsync(cancellationToken).ConfigureAwait(false);
        if (known is not null)
        {
            await SayAsync(known, link).ConfigureAwait(false);
        }

        return link;
    }

    private async ValueTask<ITransportLink> ConnectAsync(CancellationToken cancellationToken)
    {
        var fd = address.NewSocket(uri);
        address.BindReserved(fd);
        return await SocketDial.FinishAsync(fd, address.Connect(fd), errno => TcpAddress.Error(errno, "dial", uri), connected =>
        {
            TcpAddress.Tune(connected);
            return SocketLink.Attach(connected, new PeerIdentity(Scheme, address.ToString()), endsBothWays: true);
        }, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return ValueTask.CompletedTask;
    }

    /// <summary>Sends the preface. A host that knows of none skips it, as all bytes before a HELLO.</summary>
    private static async ValueTask SayAsync(UserNetToken known, ITransportLink link)
    {
        // Pinned: the collector makes no copies of it.
        var preface = GC.AllocateUninitializedArray<byte>(UserNetToken.PrefaceLength, pinned: true);
        known.WritePreface(preface);
        try
        {
            for (var sent = 0; sent < preface.Length;)
            {
                sent += await link.SendAsync(preface.AsMemory(sent)).ConfigureAwait(false);
            }
        }
        catch
        {
            await link.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            preface.AsSpan().Clear();
        }
    }
}
