using System.Buffers;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// Writes a worker's records in their order. What has no room is kept here, and the guest is not read meanwhile, so what is kept is what came
/// of one buffer of its bytes.
/// </summary>
/// <param name="ring">The memory.</param>
/// <param name="wipes">Whether memory is overwritten before it goes back to the pool.</param>
/// <param name="written">Called when there is something to publish, or to settle.</param>
internal sealed class RelayOutput(RingWriter ring, bool wipes, Action written)
{
    private readonly Queue<(SeamRecord Record, byte[] Data)> _backlog = new();

    /// <summary>Some records wait for room.</summary>
    public bool IsCongested => _backlog.Count > 0;

    /// <summary>Writes a record.</summary>
    /// <param name="record">Its head; the length is set here.</param>
    /// <param name="name">A name before its message.</param>
    /// <param name="message">The message.</param>
    public void Send(SeamRecord record, ReadOnlySpan<byte> name = default, ReadOnlySpan<byte> message = default)
    {
        record.Length = name.Length + message.Length;
        written();
        if (!IsCongested && ring.TryBegin(record.Length, spare: 0, out var data))
        {
            Copy(name, message, data);
            ring.Commit(record);
            return;
        }

        var kept = ArrayPool<byte>.Shared.Rent(record.Length);
        Copy(name, message, kept);
        _backlog.Enqueue((record, kept));
    }

    /// <summary>Writes a record with a text, which is cut to what a supervisor accepts.</summary>
    public void Tell(SeamRecord record, string text)
    {
        Span<byte> bytes = stackalloc byte[SeamBounds.Text];
        Send(record, bytes[..PeerText.Encode(text, bytes)]);
    }

    /// <summary>Writes what was kept, as far as there is room.</summary>
    public void Settle()
    {
        while (_backlog.TryPeek(out var kept) && ring.TryBegin(kept.Record.Length, spare: 0, out var data))
        {
            kept.Data.AsSpan(0, kept.Record.Length).CopyTo(data);
            ring.Commit(kept.Record);
            ArrayPool<byte>.Shared.Return(kept.Data, clearArray: wipes);
            _backlog.Dequeue();
        }
    }

    /// <summary>Shows the reader what was written. True: it is to be woken.</summary>
    public bool Publish() => ring.HasUnpublished && ring.Publish();

    private static void Copy(ReadOnlySpan<byte> name, ReadOnlySpan<byte> message, Span<byte> target)
    {
        name.CopyTo(target);
        message.CopyTo(target[name.Length..]);
    }
}
