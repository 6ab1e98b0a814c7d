using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>
/// Gives the connections of one guest as they come. A guest that was killed or restored leaves open connections behind, so a
/// newer one may come while one is up.
/// </summary>
/// <param name="uri">The endpoint's URI.</param>
/// <param name="peer">The peer's identity, by construction.</param>
/// <param name="open">Makes the source of connected sockets; called by the first open.</param>
/// <param name="portOf">
/// The source port of a connection, null if that has gone; given if only those below <see cref="ReservedPort.End"/> are taken.
/// </param>
/// <param name="tokenOf">The token that a connection must begin with, asked for by the first open; null if none is needed.</param>
internal sealed class AcceptEndpoint(
    string uri, PeerIdentity peer, Func<ISocketSource> open, Func<SafeFd, uint?>? portOf = null, Func<UserNetToken>? tokenOf = null) : IListeningEndpoint
{
    /// <summary>The kernel keeps what comes faster; a guest that connects in a loop costs this much at most.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);

    /// <summary>How long the token is waited for. The agent says it at once; a loaded guest may be slow.</summary>
    private static readonly TimeSpan s_tokenTime = TimeSpan.FromSeconds(5);

    private readonly LinkQueue<SocketLink> _links = new(uri, static link => link.IsClosed);
    private readonly CancellationTokenSource _stopping = new();
    private ISocketSource? _source;
    private PrefaceCheck? _check;
    private bool _hasRefused;
    private Task _accepting = Task.CompletedTask;

    public string Uri => uri;

    public bool HasCandidates => true;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
        cancellationToken.ThrowIfCancellationRequested();
        _check ??= tokenOf is null ? null : new PrefaceCheck(tokenOf(), s_tokenTime, Admit, RefuseStranger);
        _source ??= open();
        if (_accepting.IsCompleted)
        {
            _accepting = AcceptAsync(_source);
        }

        return await _links.AcceptAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        foreach (var link in _links.End(new ChannelException(
            ChannelError.TransportFailed, ErrorClass.Refused, $"accepting on {uri} ended: the endpoint was disposed of")))
        {
            link.Abort();
        }

        await _accepting.ConfigureAwait(false);
        _check?.End();
        _source?.Dispose();
        _stopping.Dispose();
    }

    private async Task AcceptAsync(ISocketSource source)
    {
        try
        {
            while (true)
            {
                var fd = await source.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                Accept(fd);
                await Task.Delay(s_pause, _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }
        catch (ChannelException error)
        {
            _links.Fail(error);
        }
    }

    private void Accept(SafeFd fd)
    {
        if (portOf is not null)
        {
            switch (portOf(fd))
            {
                case null:
                    // Gone again: there is no connection to refuse.
                    fd.Dispose();
                    return;
                case { } port and >= ReservedPort.End:
                    fd.Dispose();
                    Refuse(ReservedPort.Refusal(port));
                    return;
            }
        }

        TcpAddress.Tune(fd);
        SocketLink link;
        try
        {
            link = SocketLink.Attach(fd, peer, endsBothWays: true);
        }
        catch (ChannelException)
        {
            // Of no use any more, or the kernel lacks something for it: the next one may have it.
            return;
        }

        if (_check is null)
        {
            Admit(link);
        }
        else
        {
            _check.Begin(link);
        }
    }

    private void Admit(SocketLink link)
    {
        if (!_links.Offer(link))
        {
            link.Abort();
        }
    }

    private void RefuseStranger() => Refuse(
        "it did not say the token of this guest, which only its agent can read; load the module qemu_fw_cfg in the guest where QEMU has the "
        + $"token (-fw_cfg name={UserNetToken.FirmwareName},file=FILE), or give the agent its file");

    /// <summary>Tells that a connection was refused. Once: a guest can do it in a loop, and the caller of open waits a while after each error.</summary>
    private void Refuse(string why)
    {
        if (!Interlocked.Exchange(ref _hasRefused, true))
        {
            _links.Fail(new ChannelException(ChannelError.EndpointDenied, ErrorClass.Retry, $"{uri} refused a connection: {why}"));
        }
    }
}

/// <summary>Where connected sockets of one guest come from.</summary>
internal interface ISocketSource : IDisposable
{
    /// <summary>The next one, non-blocking.</summary>
    ValueTask<SafeFd> AcceptAsync(CancellationToken cancellationToken);
}
