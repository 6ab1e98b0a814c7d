using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Worker;

/// <summary>Links that the host manager opens, as this process may open nothing: it is asked for each, once.</summary>
/// <param name="control">The socket to it.</param>
internal class BrokeredEndpoint(SafeFd control) : ITransportEndpoint
{
    private static readonly PeerIdentity s_guest = new("worker", "guest");

    private readonly Lock _gate = new();
    private TaskCompletionSource<ITransportLink>? _asked;

    public string Uri => "worker://guest";

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        Task<ITransportLink> asked;
        lock (_gate)
        {
            if (_asked is null)
            {
                _asked = new TaskCompletionSource<ITransportLink>(TaskCreationOptions.RunContinuationsAsynchronously);
                if (FileMessage.Send(control, LinkReply.Request, null) is not 0 and var error)
                {
                    _asked.SetException(new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, $"the host manager cannot be asked for a link: {Errno.Describe(error)}"));
                }
            }

            asked = _asked.Task;
        }

        // A wait that was given up leaves its question, and the answer is the next one's.
        try
        {
            return await asked.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (asked.IsCompleted)
            {
                lock (_gate)
                {
                    _asked = null;
                }
            }
        }
    }

    /// <summary>An answer has come.</summary>
    /// <param name="reply">What it is.</param>
    /// <param name="link">The descriptor that came with it, which is this object's from now on.</param>
    public void OnReply(LinkReply reply, SafeFd? link)
    {
        lock (_gate)
        {
            if (_asked is not { Task.IsCompleted: false } asked)
            {
                link?.Dispose();
            }
            else if (link is not null)
            {
                asked.SetResult(DescriptorLinks.Attach(link, s_guest, reply.EndsBothWays));
            }
            else
            {
                asked.SetException(reply.Error ?? new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, "the host manager gave no link"));
            }
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>As <see cref="BrokeredEndpoint"/>, where links come unasked.</summary>
/// <param name="control">The socket to the host manager.</param>
/// <param name="hasCandidates">Whether one may come while another is up.</param>
internal sealed class ListeningBrokeredEndpoint(SafeFd control, bool hasCandidates) : BrokeredEndpoint(control), IListeningEndpoint
{
    public bool HasCandidates => hasCandidates;
}
