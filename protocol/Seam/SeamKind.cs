namespace ChannelSdk.Protocol.Seam;

/// <summary>Kinds of the records between a supervisor and a worker (docs/SEAM.md). A reader ends its peer for any other.</summary>
internal enum SeamKind : byte
{
    /// <summary>Not a record: memory that was never written.</summary>
    None = 0,

    // From the supervisor.

    /// <summary>A call begins, with its request: name and message.</summary>
    Begin = 1,
    /// <summary>A message of a call, in either direction.</summary>
    Message = 2,
    /// <summary>The answer to a call of the guest is a status.</summary>
    Finish = 3,
    /// <summary>A call is given up.</summary>
    Abort = 4,
    /// <summary>So many messages of a stream were read.</summary>
    Consumed = 5,
    /// <summary>A reader waits for a stream's next message.</summary>
    Await = 6,
    /// <summary>What heartbeats say from now on.</summary>
    State = 7,
    /// <summary>The present link is to be dropped.</summary>
    Cut = 8,
    /// <summary>The session is to be ended for good.</summary>
    Close = 9,
    /// <summary>Nothing is to be done: that it was read is what the supervisor wants to see.</summary>
    Ping = 10,

    // From the worker.

    /// <summary>The guest makes a call: name and request.</summary>
    Incoming = 32,
    /// <summary>Messages of a stream were taken by the session.</summary>
    Taken = 33,
    /// <summary>The guest's direction of a stream has ended.</summary>
    Ended = 34,
    /// <summary>A call is over before its normal end: a status.</summary>
    Failed = 35,
    /// <summary>The endpoint is asked for the next link.</summary>
    Opening = 36,
    /// <summary>A link is there; its handshake begins.</summary>
    Link = 37,
    /// <summary>The handshake is done.</summary>
    Established = 38,
    /// <summary>The link has gone.</summary>
    LinkLost = 39,
    /// <summary>The session has gone.</summary>
    SessionLost = 40,
    /// <summary>The guest's heartbeat.</summary>
    Heartbeat = 41,
    /// <summary>The endpoint cannot be opened.</summary>
    EndpointFailed = 42,
    /// <summary>Something threw in the worker that must not; it goes on.</summary>
    Fault = 43,

    /// <summary>The rest of the ring is not used: the next record is at its begin.</summary>
    Skip = 255,
}
