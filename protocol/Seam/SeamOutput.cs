using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// Writes records for the other process. Those that a call waits for in vain if they are not written, as its end, have an eighth of the
/// memory to themselves, and are kept here if even that is full; a message is refused then, and waits with its owner.
/// </summary>
/// <param name="ring">The memory.</param>
internal sealed class SeamOutput(RingWriter ring)
{
    private readonly Queue<(SeamRecord Record, string Text)> _kept = new();

    /// <summary>As <see cref="RingWriter.Progress"/>.</summary>
    public (ulong Read, ulong Written) Progress => ring.Progress;

    /// <summary>Some records are kept, as the reader has left no room for them.</summary>
    public bool IsCongested => _kept.Count > 0;

    /// <summary>The reader has read since a record had no room.</summary>
    public bool MaySettle => ring.HasReaderMoved;

    private int Spare => ring.MostData / 4;

    /// <summary>Writes a record, now or later.</summary>
    public void Tell(in SeamRecord record, string text = "")
    {
        if (_kept.Count > 0 || !TryWrite(record, text))
        {
            _kept.Enqueue((record, text));
        }
    }

    /// <summary>Writes a message. False: there is no room now.</summary>
    /// <param name="record">Its head; the length is set here.</param>
    /// <param name="name">A name before it.</param>
    /// <param name="message">The message.</param>
    public bool TrySend(SeamRecord record, ReadOnlySpan<byte> name, ReadOnlySpan<byte> message)
    {
        record.Length = name.Length + message.Length;
        if (_kept.Count > 0 || !ring.TryBegin(record.Length, Spare, out var data))
        {
            return false;
        }

        name.CopyTo(data);
        message.CopyTo(data[name.Length..]);
        ring.Commit(record);
        return true;
    }

    /// <summary>Writes what was kept, as far as there is room. True: nothing is kept any more.</summary>
    public bool Settle()
    {
        while (_kept.TryPeek(out var kept))
        {
            if (!TryWrite(kept.Record, kept.Text))
            {
                return false;
            }

            _kept.Dequeue();
        }

        return true;
    }

    /// <summary>As <see cref="RingWriter.ThrowIfBroken"/>.</summary>
    public void ThrowIfBroken() => ring.ThrowIfBroken();

    /// <summary>Something was written that the reader was not shown.</summary>
    public bool HasUnpublished => ring.HasUnpublished;

    /// <summary>Shows the reader what was written. True: it is to be woken.</summary>
    public bool Publish() => ring.HasUnpublished && ring.Publish();

    private bool TryWrite(SeamRecord record, string text)
    {
        Span<byte> bytes = stackalloc byte[SeamBounds.Text];
        record.Length = PeerText.Encode(text, bytes);
        if (!ring.TryBegin(record.Length, spare: 0, out var data))
        {
            return false;
        }

        bytes[..record.Length].CopyTo(data);
        ring.Commit(record);
        return true;
    }
}
