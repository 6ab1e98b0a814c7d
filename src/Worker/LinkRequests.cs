using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Worker;

/// <summary>Asks the host manager for descriptors, as this process may open nothing: for each once.</summary>
/// <param name="control">The socket to it.</param>
internal sealed class LinkRequests(SafeFd control)
{
    private readonly Lock _gate = new();
    private TaskCompletionSource<(LinkReply Reply, IReadOnlyList<SafeFd> Files)>? _asked;

    /// <summary>Asks for the next one.</summary>
    /// <exception cref="ChannelException">There is none; the host manager says why.</exception>
    public async ValueTask<(LinkReply Reply, IReadOnlyList<SafeFd> Files)> AskAsync(CancellationToken cancellationToken)
    {
        Task<(LinkReply Reply, IReadOnlyList<SafeFd> Files)> asked;
        lock (_gate)
        {
            if (_asked is null)
            {
                _asked = new TaskCompletionSource<(LinkReply Reply, IReadOnlyList<SafeFd> Files)>(TaskCreationOptions.RunContinuationsAsynchronously);
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
    /// <param name="files">The descriptors that came with it, which are this object's from now on.</param>
    public void OnReply(LinkReply reply, IReadOnlyList<SafeFd> files)
    {
        lock (_gate)
        {
            if (_asked is not { Task.IsCompleted: false } asked)
            {
                foreach (var file in files)
                {
                    file.Dispose();
                }
            }
            else if (files.Count > 0)
            {
                asked.SetResult((reply, files));
            }
            else
            {
                asked.SetException(reply.Error ?? new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, "the host manager gave no link"));
            }
        }
    }
}
