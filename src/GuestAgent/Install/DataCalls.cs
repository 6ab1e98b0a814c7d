using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>
/// The calls of a script whose data is moved: one for each disk, in their order, each when the host opens install.Data for the disk.
/// The first that fails is the last.
/// </summary>
/// <param name="spec">Of the operation.</param>
internal sealed class DataCalls(InstallSpec spec)
{
    private readonly TaskCompletionSource<DataPlace> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ScriptEnded> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private DataCall? _call;
    private uint _next;
    private bool _isBusy;
    private bool _isClosed;

    /// <summary>Whether the operation moves data.</summary>
    public bool IsAny => spec.DataDevices.Count > 0;

    /// <summary>How the last call ended.</summary>
    public Task<ScriptEnded> Ended => _ended.Task;

    /// <summary>The script is there: calls may begin.</summary>
    public void Begin(DataPlace place) => _begun.TrySetResult(place);

    /// <summary>Moves the data of one disk.</summary>
    /// <param name="index">Which, from 0.</param>
    /// <param name="data">The host's install.Data.</param>
    /// <param name="cancellationToken">Fires when that ends before its time.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>, <see cref="ChannelError.ResourceExhausted"/>: it is not this disk's turn, which changes nothing; else why the call failed.</exception>
    public async Task MoveAsync(uint index, ChannelStream data, CancellationToken cancellationToken)
    {
        Enter(index);
        var end = InstallWire.Ended(1, 0, $"the host gave up the data of disk {index}");
        try
        {
            var place = await _begun.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            using var call = Take(new DataCall(spec, place, (int)index, data));
            end = await call.RunAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException e)
        {
            end = InstallWire.Ended(1, 0, e.Message);
            throw;
        }
        finally
        {
            Leave(end);
        }

        if (!IsGood(end))
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.MayHaveRun, $"the script of disk {index} failed");
        }
    }

    /// <summary>Kills the call that runs.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            _call?.Kill();
        }
    }

    /// <summary>No further call begins; the one that runs is the last.</summary>
    /// <param name="why">For the host.</param>
    public void Close(string why)
    {
        lock (_gate)
        {
            _isClosed = true;
            if (!_isBusy)
            {
                _ended.TrySetResult(InstallWire.Ended(1, 0, why));
            }
        }

        _begun.TrySetException(Refused(why));
        _ = _begun.Task.Exception;
        Kill();
    }

    private DataCall Take(DataCall call)
    {
        lock (_gate)
        {
            _call = call;
            if (_isClosed)
            {
                call.Kill();
            }

            return call;
        }
    }

    private void Enter(uint index)
    {
        lock (_gate)
        {
            if (_isBusy)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"the data of disk {_next} is being moved");
            }

            if (_isClosed || _ended.Task.IsCompleted || index != _next || index >= spec.DataDevices.Count)
            {
                throw Refused(!IsAny ? "the operation moves no data"
                    : _isClosed || _ended.Task.IsCompleted ? "the operation moves no more data" : $"the data of disk {index} is not next; that of disk {_next} is");
            }

            _isBusy = true;
        }
    }

    private void Leave(ScriptEnded end)
    {
        lock (_gate)
        {
            _isBusy = false;
            _call = null;
            _next++;
            if (_isClosed || _next == spec.DataDevices.Count || !IsGood(end))
            {
                _ended.TrySetResult(end);
            }
        }
    }

    private static bool IsGood(ScriptEnded end) => end is { Code: 0, Signal: 0, Reason: "" };

    private static ChannelException Refused(string what) => new(ChannelError.FailedPrecondition, ErrorClass.Refused, what);
}
