using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Errors;

/// <summary>What the caller may conclude from an error (PROTOCOL.md section 9).</summary>
public enum ErrorClass : byte
{
    /// <summary>It did not run; the same call may be tried again, now or later.</summary>
    Retry = 0,
    /// <summary>It did not run, and trying again without a change will not help.</summary>
    Refused = 1,
    /// <summary>The link or session is over because of it.</summary>
    Fatal = 2,
    /// <summary>It may have run, in whole or in part; the caller must find out before it repeats.</summary>
    MayHaveRun = 3,
}

/// <summary>The layer that an error belongs to.</summary>
public enum ErrorOrigin : byte
{
    /// <summary>One byte stream: framing, handshake, liveness.</summary>
    Link = 0,
    /// <summary>The resumable session.</summary>
    Session = 1,
    /// <summary>One stream of the session.</summary>
    Stream = 2,
    /// <summary>The service behind a call.</summary>
    Service = 3,
    /// <summary>The transport below the link.</summary>
    Transport = 4,
    /// <summary>Configuration and command lines.</summary>
    Configuration = 5,
}
