using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.InMemory;

/// <summary>
/// A bounded byte queue with one reader and one writer. Waiting allocates nothing; continuations run on the thread
/// pool, since the side that completes a wait may hold locks that the other wants.
/// </summary>
internal sealed class MemoryPipe
{
    private readonly Lock _gate = new();
    private readonly byte[] _ring;
    private readonly PipeWait _reader = new();
    private readonly PipeWait _writer = new();
    private Memory<byte> _readBuffer;
    private ReadOnlyMemory<byte> _writeBuffer;
    private int _head;
    private int _count;
    private bool _readerClosed;
    private bool _writerClosed;

    internal MemoryPipe(int capacity) => _ring = new byte[capacity];

    internal ValueTask<int> ReadAsync(Memory<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            throw new ArgumentException("receiving needs a buffer of at least one byte", nameof(buffer));
        }

        lock (_gate)
        {
            if (_readerClosed)
            {
                return ValueTask.FromException<int>(Aborted());
            }

            if (_count > 0)
            {
                var taken = Read(buffer.Span);
                WakeWriter();
                return new ValueTask<int>(taken);
            }

            if (_writerClosed)
            {
                return new ValueTask<int>(0);
            }

            _readBuffer = buffer;
            return _reader.Begin();
        }
    }

    internal ValueTask<int> WriteAsync(ReadOnlyMemory<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            throw new ArgumentException("sending needs at least one byte", nameof(buffer));
        }

        lock (_gate)
        {
            if (_writerClosed)
            {
                return ValueTask.FromException<int>(Aborted());
            }

            if (_readerClosed)
            {
                return ValueTask.FromException<int>(PeerGone());
            }

            if (_count < _ring.Length)
            {
                var put = Put(buffer.Span);
                WakeReader();
                return new ValueTask<int>(put);
            }

            _writeBuffer = buffer;
            return _writer.Begin();
        }
    }

    /// <summary>The writing side ends: the reader gets what is left, then 0.</summary>
    internal void CloseWriter()
    {
        lock (_gate)
        {
            if (_writerClosed)
            {
                return;
            }

            _writerClosed = true;
            if (_writer.IsWaiting)
            {
                _writeBuffer = default;
                _writer.Fail(Aborted());
            }

            if (_reader.IsWaiting)
            {
                // A reader waits only on an empty pipe.
                _readBuffer = default;
                _reader.Complete(0);
            }
        }
    }

    /// <summary>The reading side ends: unread bytes are lost, and the writer is told so.</summary>
    internal void CloseReader()
    {
        lock (_gate)
        {
            if (_readerClosed)
            {
                return;
            }

            _readerClosed = true;
            if (_reader.IsWaiting)
            {
                _readBuffer = default;
                _reader.Fail(Aborted());
            }

            if (_writer.IsWaiting)
            {
                _writeBuffer = default;
                _writer.Fail(PeerGone());
            }
        }
    }

    private void WakeReader()
    {
        if (_reader.IsWaiting)
        {
            var taken = Read(_readBuffer.Span);
            _readBuffer = default;
            _reader.Complete(taken);
        }
    }

    private void WakeWriter()
    {
        if (_writer.IsWaiting)
        {
            var put = Put(_writeBuffer.Span);
            _writeBuffer = default;
            _writer.Complete(put);
        }
    }

    private int Put(ReadOnlySpan<byte> source)
    {
        var length = Math.Min(source.Length, _ring.Length - _count);
        var tail = (int)(((long)_head + _count) % _ring.Length);
        var first = Math.Min(length, _ring.Length - tail);
        source[..first].CopyTo(_ring.AsSpan(tail));
        source[first..length].CopyTo(_ring);
        _count += length;
        return length;
    }

    private int Read(Span<byte> target)
    {
        var length = Math.Min(target.Length, _count);
        var first = Math.Min(length, _ring.Length - _head);
        _ring.AsSpan(_head, first).CopyTo(target);
        _ring.AsSpan(0, length - first).CopyTo(target[first..]);
        _head = (int)(((long)_head + length) % _ring.Length);
        _count -= length;
        return length;
    }

    private static ChannelException Aborted() => new(
        ChannelError.LinkLost, ErrorClass.Fatal, "the in-memory link was ended by this side");

    private static ChannelException PeerGone() => new(
        ChannelError.LinkLost, ErrorClass.Fatal, "the other side of the in-memory link has gone");
}
