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

    private readonly byte[] _request = new byte[64];
    private long _second;
    private int _count;

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

    private ValueTask AnswerAsync(CancellationToken cancellationToken) => endpoint is IDelegatedEndpoint device ? AnswerAsync(device) : AnswerLinkAsync(cancellationToken);

    private ValueTask AnswerAsync(IDelegatedEndpoint device)
    {
        try
        {
            Peer = device.Peer;
            var listening = device.Listen();
            Send(new LinkReply(null, false) { Description = listening.Description }, listening.Socket);
        }
        catch (ChannelException e) when (e.Code != ChannelError.WorkerFailed)
        {
            Send(new LinkReply(e, false), null);
        }

        return ValueTask.CompletedTask;
    }

    private async ValueTask AnswerLinkAsync(CancellationToken cancellationToken)
    {
        LinkReply reply;
        SafeFd? file = null;
        try
        {
            var link = await endpoint.OpenAsync(cancellationToken).ConfigureAwait(false);
            await using (link.ConfigureAwait(false))
            {
                if (link is IDescriptorLink descriptor)
                {
                    (Peer, reply) = (link.Peer, new LinkReply(null, descriptor.EndsBothWays));
                    file = descriptor.Detach();
                }
                else
                {
                    reply = new LinkReply(new ChannelException(ChannelError.Unsupported, ErrorClass.Refused, $"a link of {endpoint.Uri} cannot be given to another process"), false);
                }
            }
        }
        catch (ChannelException e)
        {
            reply = new LinkReply(e, false);
        }

        using (file)
        {
            Send(reply, file);
        }
    }

    private void Send(LinkReply reply, SafeFd? file)
    {
        if (FileMessage.Send(control, reply.ToBytes(), file) is not 0 and var error)
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
