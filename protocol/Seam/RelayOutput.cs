using System.Runtime.InteropServices;
using ChannelSdk.Protocol.State;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// Writes a worker's records in their order. What has no room is kept here, and the guest is not read meanwhile, so what is kept is what came
/// of one buffer of its bytes.
/// </summary>
/// <param name="ring">The memory.</param>
/// <param name="buffers">Where what is kept goes.</param>
/// <param name="wipes">Whether memory is overwritten before it goes back to the pool.</param>
/// <param name="written">Called when there is something to publish, or to settle.</param>
internal sealed class RelayOutput(RingWriter ring, ArenaPool buffers, bool wipes, Action written)
{
    private readonly BlockQueue _backlog = new(buffers);

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

        var kept = _backlog.Add(SeamRecord.Size + record.Length);
        MemoryMarshal.Write(kept, record);
        Copy(name, message, kept[SeamRecord.Size..]);
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
        while (_backlog.TryPeek(out var kept) && ring.TryBegin(kept.Length - SeamRecord.Size, spare: 0, out var data))
        {
            kept.Span[SeamRecord.Size..].CopyTo(data);
            ring.Commit(MemoryMarshal.Read<SeamRecord>(kept.Span));
            _backlog.Remove();
            buffers.Return(kept, wipes);
        }
    }

    /// <summary>Shows the reader what was written. True: it is to be woken.</summary>
    /// <exception cref="Errors.ChannelException">The reader's position is impossible (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    public bool Publish()
    {
        ring.ThrowIfBroken();
        return ring.HasUnpublished && ring.Publish();
    }

    public void Save(ref StateWriter state)
    {
        state.UInt64(ring.Position);
        _backlog.Save(ref state);
    }

    /// <exception cref="Errors.ChannelException">It is not one (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    public void Load(ref StateReader state)
    {
        ring.Resume(state.UInt64());
        _backlog.Load(ref state);
        foreach (var kept in _backlog.All)
        {
            StateReader.Require(kept.Length >= SeamRecord.Size && MemoryMarshal.Read<SeamRecord>(kept.Span).Length == kept.Length - SeamRecord.Size, "a record of another length");
        }
    }

    private static void Copy(ReadOnlySpan<byte> name, ReadOnlySpan<byte> message, Span<byte> target)
    {
        name.CopyTo(target);
        message.CopyTo(target[name.Length..]);
    }
}
