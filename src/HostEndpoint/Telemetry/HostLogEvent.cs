namespace ChannelSdk.Host.Telemetry;

/// <summary>
/// The ids of the host's log events: the one table of them. docs/OPERATIONS.md has the same. An id is never used for something else.
/// </summary>
public enum HostLogEvent
{
    /// <summary>An instance was attached (Information).</summary>
    InstanceAttached = 1000,
    /// <summary>An instance was detached (Information).</summary>
    InstanceDetached = 1001,
    /// <summary>A link is established (Information).</summary>
    LinkUp = 1010,
    /// <summary>A link has gone; the session waits (Warning).</summary>
    LinkLost = 1011,
    /// <summary>The endpoint cannot be opened; it is tried again (Warning).</summary>
    EndpointFailed = 1012,
    /// <summary>A new session began (Information).</summary>
    SessionStarted = 1020,
    /// <summary>The session goes on, on a new link (Information).</summary>
    SessionResumed = 1021,
    /// <summary>The session has gone; its calls have failed (Error).</summary>
    SessionLost = 1022,
    /// <summary>The guest says that it does something else now (Debug).</summary>
    PeerState = 1023,
    /// <summary>A callback, a sink or the transport threw what it must not; the channel goes on (Error).</summary>
    Fault = 1030,
    /// <summary>Events came faster than they were logged; some are not in the log (Warning).</summary>
    EventsDropped = 1031,
    /// <summary>A privileged call was let through (Information).</summary>
    CallAllowed = 1040,
    /// <summary>The host's policy refused a call to the guest (Warning).</summary>
    CallRefused = 1041,
    /// <summary>A call of the guest was refused (Warning).</summary>
    GuestCallRefused = 1042,
    /// <summary>What an operator must know at once (Critical).</summary>
    Alarm = 1050,
    /// <summary>The guest is frozen under a lease (Information).</summary>
    FreezeTaken = 1060,
    /// <summary>The lease of a freeze was renewed (Information).</summary>
    FreezeRenewed = 1061,
    /// <summary>The guest was thawed (Information).</summary>
    FreezeThawed = 1062,
    /// <summary>A freeze, renewal or thaw failed (Warning).</summary>
    FreezeFailed = 1063,
}
