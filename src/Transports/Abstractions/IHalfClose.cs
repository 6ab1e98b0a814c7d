namespace ChannelSdk.Transports.Abstractions;

/// <summary>A link whose sending direction can end by itself, as a forwarder between two of them needs.</summary>
public interface IHalfClose
{
    /// <summary>Says that nothing more will be sent; what was sent before arrives. Receiving goes on.</summary>
    void CompleteSend();

    /// <summary>Whether the other side, having sent its last byte, also accepts no more.</summary>
    bool IsGone { get; }
}
