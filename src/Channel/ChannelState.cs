namespace ChannelSdk.Channels;

/// <summary>Where a channel is in its life. It only moves on to <see cref="Closing"/> and <see cref="Closed"/>, never back from them.</summary>
internal enum ChannelState : byte
{
    /// <summary>Made, not started.</summary>
    New,
    /// <summary>Waits for the endpoint's next link.</summary>
    Opening,
    /// <summary>There is a link; the peer has not answered on it yet.</summary>
    Handshake,
    /// <summary>The session is established on a link.</summary>
    Up,
    /// <summary>Is being disposed of: what was said last goes out.</summary>
    Closing,
    /// <summary>Opens no link any more.</summary>
    Closed,
}
