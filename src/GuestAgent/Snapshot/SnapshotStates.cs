using ChannelSdk.Protocol.Links;

namespace ChannelSdk.GuestAgent.Snapshot;

/// <summary>Whether the guest is a copy that is not repaired yet.</summary>
internal enum RepairState
{
    None,
    Repairing,
    Unrepaired,
}

/// <summary>
/// The states of a repair, which go before those of a freeze in what is said of the guest: a copy that is not repaired is never ready.
/// Thread-safe; nothing waits under its lock.
/// </summary>
/// <param name="setState">Sets the state word of the heartbeats.</param>
internal sealed class SnapshotStates(Action<StateWord, DateTimeOffset?> setState)
{
    private readonly Lock _lock = new();
    private RepairState _state;
    private StateWord _word = StateWord.Starting;
    private DateTimeOffset? _until;
    private int _version;

    /// <summary>Whether the guest is repaired, and if not, whether it is being.</summary>
    public RepairState State
    {
        get
        {
            lock (_lock)
            {
                return _state;
            }
        }
        set
        {
            lock (_lock)
            {
                (_state, _version) = (value, _version + 1);
            }

            Say();
        }
    }

    /// <summary>Why calls must wait, or null.</summary>
    public string? Restriction => State switch
    {
        RepairState.Repairing => "the guest is a copy that is being repaired; until it is, only snapshot.Complete and Status, freeze.Status and info.Ping are answered",
        RepairState.Unrepaired => "the guest is a copy whose repair has failed (snapshot.Status says why); until one has succeeded, only the methods of snapshot, freeze.Status and info.Ping are answered",
        _ => null,
    };

    /// <summary>Takes the state that the guest has besides.</summary>
    public void Show(StateWord word, DateTimeOffset? until)
    {
        lock (_lock)
        {
            (_word, _until, _version) = (word, until, _version + 1);
        }

        Say();
    }

    // Several threads may do so at once: the last state wins.
    private void Say()
    {
        int version;
        do
        {
            (StateWord Word, DateTimeOffset? Until) shown;
            lock (_lock)
            {
                version = _version;
                shown = (_state == RepairState.None ? _word : StateWord.Repairing, _until);
            }

            setState(shown.Word, shown.Until);
        }
        while (version != Volatile.Read(ref _version));
    }
}
