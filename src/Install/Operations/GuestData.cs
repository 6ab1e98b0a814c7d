using System.Globalization;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Install.Operations;

/// <summary>What an appliance tells of the data that its half moves, one disk after the other. Everything of it is checked against what the host is at.</summary>
internal sealed class GuestData
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource<DataEnd>? _end;
    private Action<ulong>? _onSize;
    private Exception? _failure;
    private int _disk = -1;

    /// <summary>Ends when the half can be called for its first disk.</summary>
    public Task Ready => _ready.Task;

    /// <summary>A DataReady has come.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: it came before.</exception>
    public void OnReady()
    {
        if (!_ready.TrySetResult())
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "the appliance told twice that its half can be called for its data");
        }
    }

    /// <summary>The data of a disk is about to be moved.</summary>
    /// <param name="disk">Which, from 0.</param>
    /// <param name="onSize">Told how many bytes it will be, if the half says so.</param>
    /// <returns>What the appliance has moved, once it says so.</returns>
    public Task<DataEnd> Begin(int disk, Action<ulong> onSize)
    {
        lock (_gate)
        {
            (_disk, _onSize) = (disk, onSize);
            _end = new TaskCompletionSource<DataEnd>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_failure is not null)
            {
                _end.SetException(_failure);
            }

            return _end.Task;
        }
    }

    /// <summary>A DataSize has come.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: it does not belong there.</exception>
    public void OnSize(DataSize untrusted)
    {
        Action<ulong>? told;
        lock (_gate)
        {
            told = IsNow(untrusted.Index) ? Interlocked.Exchange(ref _onSize, null) : null;
        }

        (told ?? throw Wrong("how large the data will be", untrusted.Index))(untrusted.Bytes);
    }

    /// <summary>A DataEnd has come.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: it does not belong there.</exception>
    public void OnEnd(DataEnd untrusted)
    {
        lock (_gate)
        {
            if (!IsNow(untrusted.Index) || !_end!.TrySetResult(untrusted))
            {
                throw Wrong("that the data was moved", untrusted.Index);
            }
        }
    }

    /// <summary>Nothing more will come.</summary>
    public void Fail(Exception failure)
    {
        lock (_gate)
        {
            _failure = failure;
            _ready.TrySetException(failure);
            _ = _ready.Task.Exception;
            if (_end?.TrySetException(failure) == true)
            {
                _ = _end.Task.Exception;
            }
        }
    }

    private bool IsNow(uint untrustedIndex) => _end is { Task.IsCompleted: false } && untrustedIndex == _disk;

    private ChannelException Wrong(string what, uint untrustedIndex) => new(ChannelError.InvalidArgument, ErrorClass.MayHaveRun,
        $"the appliance told {what} of disk {untrustedIndex}, which does not belong there; the disk that is moved is {(_disk < 0 ? "none yet" : _disk.ToString(CultureInfo.InvariantCulture))}");
}
