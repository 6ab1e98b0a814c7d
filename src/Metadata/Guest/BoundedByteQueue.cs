using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Guest;

/// <summary>One direction of a pipe: pieces in order, bounded by their bytes.</summary>
internal sealed class BoundedByteQueue(int capacity)
{
    // Many tiny pieces must not cost more than their bytes.
    private const int PieceCost = 64;

    private readonly Lock _gate = new();
    private readonly Queue<byte[]> _pieces = new();
    private int _cost;
    private bool _isClosed;
    private TaskCompletionSource _changed = NewSignal();

    public int Capacity { get; } = capacity;

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _pieces.Sum(p => p.Length);
            }
        }
    }

    public bool TryAdd(byte[] bytes)
    {
        lock (_gate)
        {
            ThrowIfClosed();
            if (bytes.Length == 0)
            {
                return true;
            }

            if (!HasRoom(bytes.Length))
            {
                return false;
            }

            _pieces.Enqueue(bytes);
            _cost += bytes.Length + PieceCost;
            Signal();
            return true;
        }
    }

    public byte[]? TryTake()
    {
        lock (_gate)
        {
            if (!_pieces.TryDequeue(out var bytes))
            {
                ThrowIfClosed();
                return null;
            }

            _cost -= bytes.Length + PieceCost;
            Signal();
            return bytes;
        }
    }

    public byte[] TakeAll()
    {
        lock (_gate)
        {
            var all = new byte[_pieces.Sum(p => p.Length)];
            var at = 0;
            foreach (var piece in _pieces)
            {
                piece.CopyTo(all, at);
                at += piece.Length;
            }

            _pieces.Clear();
            _cost = 0;
            Signal();
            return all;
        }
    }

    public Task WaitRoomAsync(int bytes, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return _isClosed || HasRoom(bytes) ? Task.CompletedTask : _changed.Task.WaitAsync(cancellationToken);
        }
    }

    public Task WaitDataAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return _isClosed || _pieces.Count > 0 ? Task.CompletedTask : _changed.Task.WaitAsync(cancellationToken);
        }
    }

    public void Close()
    {
        lock (_gate)
        {
            _isClosed = true;
            Signal();
        }
    }

    // An empty queue takes anything up to its capacity.
    private bool HasRoom(int bytes) => _pieces.Count == 0 ? bytes <= Capacity : _cost + bytes + PieceCost <= Capacity;

    private void Signal()
    {
        _changed.SetResult();
        _changed = NewSignal();
    }

    private void ThrowIfClosed()
    {
        if (_isClosed)
        {
            throw new ChannelException(ChannelError.StreamClosed, ErrorClass.Refused, "the pipe is closed: its instance was detached");
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
