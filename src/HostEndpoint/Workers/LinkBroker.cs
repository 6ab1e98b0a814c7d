using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Host.Workers;

/// <summary>
/// Opens links for a worker, which may open nothing itself: it asks on its control socket, and gets the descriptor of the next link, or why
/// there is none. It can ask for nothing else, and not more often than a listening endpoint may be connected to. The worker of a device gets the listening socket.
/// </summary>
/// <param name="endpoint">Where links come from.</param>
/// <param name="control">The control socket.</param>
internal sealed class LinkBroker(ITransportEndpoint endpoint, SafeFd control)
{
    // Above the links of a guest that connects as fast as candidates are given up.
    private const int MostPerSecond = 100;

    // What a worker has mapped it may keep, whatever it says; what it maps takes addresses and tables of the kernel.
    private const long MostShared = 256L << 20;

    private readonly byte[] _request = new byte[64];
    private long _second;
    private int _count;
    private long _sharedBytes;

    /// <summary>The peer of the last link, by construction of its transport; null before the first.</summary>
    public PeerIdentity? Peer { get; private set; }

    /// <summary>Answers until the worker or the channel ends.</summary>
    /// <param name="requests">What comes on the control socket.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.WorkerFailed"/>: the worker does not read its answers.</exception>
    /// <exception cref="OperationCanceledException">The token has fired.</exception>
    public async Task RunAsync(ITransportLink requests, CancellationToken cancellationToken)
    {
        while (await requests.ReceiveAsync(_request).ConfigureAwait(false) > 0)
        {
            await PaceAsync(cancellationToken).ConfigureAwait(false);
            await AnswerAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask AnswerAsync(CancellationToken cancellationToken)
    {
        try
        {
            switch (endpoint)
            {
                case IDelegatedEndpoint device:
                    Peer = device.Peer;
                    var listening = device.Listen();
                    Send(new LinkReply(null, false) { Description = listening.Description }, [listening.Socket]);
                    break;
                case IMappedEndpoint mapped:
                    Peer = mapped.Peer;
                    using (var parts = await mapped.OpenPartsAsync(cancellationToken).ConfigureAwait(false))
                    {
                        Count(parts);
                        Send(new LinkReply(null, false) { Description = parts.Description }, [.. parts.Files]);
                    }

                    break;
                default:
                    await AnswerLinkAsync(cancellationToken).ConfigureAwait(false);
                    break;
            }
        }
        catch (ChannelException e) when (e.Code != ChannelError.WorkerFailed)
        {
            Send(new LinkReply(e, false), []);
        }
    }

    private void Count(LinkParts parts)
    {
        _sharedBytes += parts.SharedBytes;
        if (_sharedBytes > MostShared)
        {
            throw new ChannelException(ChannelError.WorkerFailed, ErrorClass.Retry, $"the worker of {endpoint.Uri} was given {MostShared >> 20} MiB of memory to map, over all its links, and is replaced");
        }
    }

    private async ValueTask AnswerLinkAsync(CancellationToken cancellationToken)
    {
        var link = await endpoint.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using (link.ConfigureAwait(false))
        {
            if (link is not IDescriptorLink descriptor)
            {
                throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused, $"a link of {endpoint.Uri} cannot be given to another process");
            }

            Peer = link.Peer;
            using var file = descriptor.Detach();
            Send(new LinkReply(null, descriptor.EndsBothWays), [file]);
        }
    }

    private void Send(LinkReply reply, ReadOnlySpan<SafeFd> files)
    {
        if (FileMessage.SendFiles(control, reply.ToBytes(), files) is not 0 and var error)
        {
            throw new ChannelException(ChannelError.WorkerFailed, ErrorClass.Retry, $"the worker of {endpoint.Uri} cannot be given a link: {Errno.Describe(error)}");
        }
    }

    private async ValueTask PaceAsync(CancellationToken cancellationToken)
    {
        var second = Environment.TickCount64 / 1000;
        _count = second == _second ? _count + 1 : 0;
        _second = second;
        if (_count > MostPerSecond)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken).ConfigureAwait(false);
        }
    }
}
