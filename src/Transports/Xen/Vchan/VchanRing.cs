using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// One direction of a vchan. The other side can change every byte of it at any time, so its counter is read once for each use
/// and checked, and the own counter is kept here: what the page has of it is for the other side alone.
/// </summary>
internal unsafe struct VchanRing
{
    private readonly uint* _shownCounter;
    private readonly uint* _peerCounter;
    private readonly byte* _data;
    private readonly uint _size;
    private readonly bool _isIncoming;
    private uint _counter;

    /// <summary>A ring as one side sees it.</summary>
    /// <param name="consumed">The reader's counter; the writer's follows it.</param>
    /// <param name="data">The ring's bytes.</param>
    /// <param name="order">Log2 of their number, checked.</param>
    /// <param name="isIncoming">Whether this side reads.</param>
    internal VchanRing(byte* consumed, byte* data, int order, bool isIncoming)
    {
        var counters = (uint*)consumed;
        _shownCounter = isIncoming ? counters : counters + 1;
        _peerCounter = isIncoming ? counters + 1 : counters;
        _data = data;
        _size = 1u << order;
        _isIncoming = isIncoming;
        _counter = Volatile.Read(ref *_shownCounter);
    }

    /// <summary>Bytes to read, or room to write.</summary>
    /// <exception cref="ChannelException">The other side's counter cannot be (<see cref="ChannelError.TransportFailed"/>).</exception>
    internal readonly uint Ready()
    {
        var untrusted = Volatile.Read(ref *_peerCounter);
        var waiting = _isIncoming ? untrusted - _counter : _counter - untrusted;
        if (waiting > _size)
        {
            throw VchanLayout.Violation($"by its counter {waiting} bytes wait in a ring of {_size}");
        }

        return _isIncoming ? waiting : _size - waiting;
    }

    /// <summary>Takes bytes that <see cref="Ready"/> told of.</summary>
    internal int Read(Span<byte> target, uint ready)
    {
        var length = (int)Math.Min(ready, (uint)target.Length);
        var first = Contiguous(length, out var place);
        new ReadOnlySpan<byte>(place, first).CopyTo(target);
        new ReadOnlySpan<byte>(_data, length - first).CopyTo(target[first..]);
        Advance(length);
        return length;
    }

    /// <summary>Puts bytes into room that <see cref="Ready"/> told of.</summary>
    internal int Write(ReadOnlySpan<byte> source, uint ready)
    {
        var length = (int)Math.Min(ready, (uint)source.Length);
        var first = Contiguous(length, out var place);
        source[..first].CopyTo(new Span<byte>(place, first));
        source[first..length].CopyTo(new Span<byte>(_data, length - first));
        Advance(length);
        return length;
    }

    private readonly int Contiguous(int length, out byte* place)
    {
        var at = _counter & (_size - 1);
        place = _data + at;
        return (int)Math.Min((uint)length, _size - at);
    }

    /// <summary>The copy is done before the other side sees the counter.</summary>
    private void Advance(int length)
    {
        _counter += (uint)length;
        Volatile.Write(ref *_shownCounter, _counter);
    }
}
