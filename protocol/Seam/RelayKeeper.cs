using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// A worker's state in its supervisor's memory: the session, its streams with their calls, and how far the records of both directions
/// are read and written. It is committed as one, before anything of it is shown to the supervisor or the guest, so that a worker which ends
/// at any moment is followed by one that goes on from there.
/// </summary>
internal sealed class RelayKeeper : SessionKeeper
{
    private const int StreamSize = 400;

    /// <summary>An idle instance's heartbeats are about as many in a minute.</summary>
    private const int CommitsBetweenTrims = 128;

    private readonly List<SessionStream> _changed = [];
    private readonly byte[] _scratch;
    private readonly Action<Memory<byte>> _release;
    private int _commits;

    /// <param name="memory">The memory, of <see cref="SeamBounds.SlotBytes"/> and <see cref="SeamBounds.BufferBytes"/>.</param>
    /// <param name="bounds">Those bounds.</param>
    public RelayKeeper(StateMemory memory, SeamBounds bounds)
    {
        Arena = new ArenaPool(memory.Buffers, bounds.LargestBuffer);
        _scratch = new byte[SessionSize(bounds)];
        _release = memory.Release;
        Slots = new StateSlots(memory, SessionSize(bounds), StreamSize);
    }

    /// <summary>What all memory comes from that a state refers to.</summary>
    public ArenaPool Arena { get; }

    /// <summary>What is kept.</summary>
    internal StateSlots Slots { get; }

    internal override BufferPool Buffers => Arena;

    /// <summary>Bytes of the memory for so many streams.</summary>
    public static int SlotBytes(SeamBounds bounds, int streams) => StateSlots.BytesFor(1 + streams, SessionSize(bounds), StreamSize);

    internal override void OnChanged(SessionStream stream)
    {
        if (stream.IsDead)
        {
            return;
        }

        if (stream.Slot < 0)
        {
            stream.Slot = Slots.Allocate();
        }

        if (!stream.IsChanged)
        {
            stream.IsChanged = true;
            _changed.Add(stream);
        }
    }

    internal override void OnEnded(SessionStream stream)
    {
        if (stream.Slot >= 0)
        {
            Slots.Free(stream.Slot);
            stream.Slot = -1;
        }
    }

    /// <summary>What was changed is valid from now on.</summary>
    /// <param name="relay">Whose state it is.</param>
    public void Commit(SeamRelay relay)
    {
        foreach (var stream in _changed)
        {
            stream.IsChanged = false;
            if (stream.Slot >= 0)
            {
                Slots.Put(stream.Slot, Encode(stream));
            }
        }

        _changed.Clear();
        var state = new StateWriter(_scratch, Arena);
        relay.Rpc.Session.Save(ref state);
        relay.Save(ref state);
        Slots.Put(0, _scratch.AsSpan(0, state.Length));
        Slots.Commit();
        Arena.Settle();
        if (++_commits % CommitsBetweenTrims == 0)
        {
            Arena.Trim(_release);
        }
    }

    /// <summary>Takes up what another process has committed.</summary>
    /// <param name="relay">Whose state it becomes.</param>
    /// <param name="now">Time.</param>
    /// <exception cref="Errors.ChannelException">It is not a state (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    public void Resume(SeamRelay relay, long now)
    {
        try
        {
            var used = Slots.Resume();
            var state = new StateReader(Slots.Get(0), Arena);
            relay.Rpc.Session.Load(ref state, now);
            relay.Load(ref state);
            foreach (var slot in used)
            {
                state = new StateReader(Slots.Get(slot), Arena);
                Load(relay, slot, ref state);
            }

            Arena.EndAdoption();
        }
        catch
        {
            // It would be the same for the next one.
            Slots.Forget();
            throw;
        }
    }

    /// <summary>What is kept of a stream, until the next call.</summary>
    internal ReadOnlySpan<byte> Encode(SessionStream stream)
    {
        var state = new StateWriter(_scratch, Arena);
        Session.SaveStream(stream, ref state);
        var call = stream.State as SessionCall;
        state.Flag(call is not null);
        if (call is not null)
        {
            RpcPeer.SaveCall(call, ref state);
            var relayed = call.State as RelayedCall;
            state.Flag(relayed is not null);
            relayed?.Save(ref state);
        }

        state.Buffer(stream.Pending);
        return _scratch.AsSpan(0, state.Length);
    }

    private static void Load(SeamRelay relay, int slot, ref StateReader state)
    {
        var stream = relay.Rpc.Session.LoadStream(ref state);
        stream.Slot = slot;
        var call = state.Flag() ? relay.Rpc.LoadCall(stream, ref state) : null;
        if (call is not null && state.Flag())
        {
            relay.Load(call, ref state);
        }

        stream.Pending = state.PieceOf(call?.WriteBuffer ?? default);
        StateReader.Require(stream.HasPending || stream.Pending.IsEmpty, "a write that is not pending");
        relay.Rpc.Session.EndLoad(stream);
    }

    private static int SessionSize(SeamBounds bounds)
    {
        const int numbers = 512;
        const int segment = 20;
        // Segments that are half full, or smaller ones where they are few.
        return numbers + segment * (16 + bounds.Session.ReplayBytes / (32 << 10));
    }
}
