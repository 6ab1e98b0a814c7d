using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>
/// The installed system that a half has left mounted: others may work on it from the half's good end until the operation
/// is closed.
/// </summary>
/// <param name="operation">Whose it is.</param>
/// <param name="folder">Where it is mounted.</param>
internal sealed class InstallTarget(string operation, string folder) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stopping = new();
    private ScriptEnded? _end;
    private bool _isClosed;
    private TaskCompletionSource? _work;

    public string Operation => operation;

    public string Folder => folder;

    /// <summary>The half has ended.</summary>
    public void SetEnd(ScriptEnded end)
    {
        lock (_gate)
        {
            _end = end;
        }
    }

    /// <summary>Works on it; one at a time. The operation's close waits for it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/> when there is nothing to work on, <see cref="ChannelError.ResourceExhausted"/> while another call does.</exception>
    public async Task<T> UseAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var done = Begin();
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
            return await work(either.Token).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _work = null;
            }

            done.SetResult();
        }
    }

    /// <summary>Refuses further use; ends when the present one has ended.</summary>
    /// <param name="mustStop">Whether the work is to be given up.</param>
    public async Task CloseAsync(bool mustStop)
    {
        Task work;
        lock (_gate)
        {
            _isClosed = true;
            work = _work?.Task ?? Task.CompletedTask;
        }

        if (mustStop)
        {
            await _stopping.CancelAsync().ConfigureAwait(false);
        }

        await work.ConfigureAwait(false);
    }

    /// <summary>After its close.</summary>
    public void Dispose() => _stopping.Dispose();

    private TaskCompletionSource Begin()
    {
        lock (_gate)
        {
            if (_isClosed || _end is not { Code: 0, Signal: 0, Reason: "" })
            {
                throw Refused(_end is null ? "the script has not ended yet" : _isClosed ? "the operation is being closed" : "the script has failed");
            }

            if (_work is not null)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, "another archive is being laid over the system");
            }

            if (!InstallMounts.IsMounted(folder))
            {
                throw Refused($"the script has left nothing mounted at {folder} ($CHANNELSDK_TARGET)");
            }

            return _work = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private static ChannelException Refused(string what) =>
        new(ChannelError.FailedPrecondition, ErrorClass.Refused, $"there is no installed system to work on: {what}");
}
