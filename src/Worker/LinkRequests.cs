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
    private TaskCompletionSource<(LinkReply Reply, SafeFd File)>? _asked;

    /// <summary>Asks for the next one.</summary>
    /// <exception cref="ChannelException">There is none; the host manager says why.</exception>
    public async ValueTask<(LinkReply Reply, SafeFd File)> AskAsync(CancellationToken cancellationToken)
    {
        Task<(LinkReply Reply, SafeFd File)> asked;
        lock (_gate)
        {
            if (_asked is null)
            {
                _asked = new TaskCompletionSource<(LinkReply Reply, SafeFd File)>(TaskCreationOptions.RunContinuationsAsynchronously);
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
    /// <param name="file">The descriptor that came with it, which is this object's from now on.</param>
    public void OnReply(LinkReply reply, SafeFd? file)
    {
        lock (_gate)
        {
            if (_asked is not { Task.IsCompleted: false } asked)
            {
                file?.Dispose();
            }
            else if (file is not null)
            {
                asked.SetResult((reply, file));
            }
            else
            {
                asked.SetException(reply.Error ?? new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, "the host manager gave no link"));
            }
        }
    }
}
