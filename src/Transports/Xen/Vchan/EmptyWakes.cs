namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// Counts events of one link that brought nothing. An honest peer raises few of them (one that was under way when the bytes were
/// taken already); the first ones of each eighth of a second are let through.
/// </summary>
internal struct EmptyWakes
{
    /// <summary>How long the port stays masked then, in ms. Bytes that come in that time wait for its end at most.</summary>
    internal const int HoldMs = 20;

    private const int MaxInWindow = 8;
    private const int WindowMs = 128;

    private long _window;
    private int _inWindow;

    /// <summary>All of them.</summary>
    internal long Total { get; private set; }

    /// <summary>Counts one. True if the port shall stay masked for a while.</summary>
    internal bool IsOneTooMany(long nowMs)
    {
        Total++;
        var window = nowMs / WindowMs;
        if (window != _window)
        {
            (_window, _inWindow) = (window, 0);
        }

        return ++_inWindow > MaxInWindow;
    }
}
