namespace ChannelSdk.Protocol.Links;

/// <summary>What a side is doing, said in each heartbeat, so that busy, frozen and dead look different (PROTOCOL.md section 8).</summary>
public enum StateWord : byte
{
    /// <summary>Nothing is known yet.</summary>
    Unknown = 0,
    /// <summary>Coming up; calls may fail.</summary>
    Starting = 1,
    /// <summary>Ready for calls.</summary>
    Ready = 2,
    /// <summary>Alive, but calls take longer than usual.</summary>
    Busy = 3,
    /// <summary>File systems are being frozen.</summary>
    Freezing = 4,
    /// <summary>File systems are frozen, until the time in the heartbeat.</summary>
    Frozen = 5,
    /// <summary>An installation is under way.</summary>
    Installing = 6,
    /// <summary>Going down.</summary>
    Stopping = 7,
    /// <summary>A copy of a guest that is being made a guest of its own; nothing else is answered before that.</summary>
    Repairing = 8,
}
