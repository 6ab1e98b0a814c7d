using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// Notices a worker that works no more: one that was stopped, or goes in a circle. It reads nothing of what was written for it, and if
/// nothing was written, something is that only has to be read.
/// </summary>
/// <param name="output">What is written for it.</param>
internal sealed class ReadWatch(SeamOutput output)
{
    /// <summary>Far above the time that a worker without a processor waits for one.</summary>
    private const long Patience = 5_000_000;

    private ulong _read;
    private long _received;
    private bool _isOn;

    /// <summary>A worker is there that could read.</summary>
    public bool IsOn
    {
        get => _isOn;
        set => (_isOn, Due) = (value, Link.Never);
    }

    /// <summary>When <see cref="Check"/> has something to look at.</summary>
    public long Due { get; private set; } = Link.Never;

    /// <summary>Something was written, or a link is up.</summary>
    public void Begin(long now)
    {
        if (IsOn && Due == Link.Never)
        {
            (_read, _) = output.Progress;
            Due = now + Patience;
        }
    }

    /// <summary>Looks, when it is time.</summary>
    /// <param name="now">Time.</param>
    /// <param name="isWaitedFor">Calls are under way.</param>
    /// <param name="isUp">A link is up, whose guest says something all the time.</param>
    /// <param name="received">A number that changes with each sign of the worker's.</param>
    /// <exception cref="Errors.ChannelException">The worker has read nothing since the last look (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    public void Check(long now, bool isWaitedFor, bool isUp, long received)
    {
        if (now < Due)
        {
            return;
        }

        Due = Link.Never;
        var (read, written) = output.Progress;
        output.ThrowIfBroken();
        if (read != written && read == _read)
        {
            throw RingMemory.Broken($"{written - read} bytes that the worker has not looked at for {Patience / 1_000_000} s");
        }

        var wasSilent = received == _received;
        _received = received;
        if (read == written && (isWaitedFor || (isUp && wasSilent)))
        {
            output.Tell(new SeamRecord { Kind = SeamKind.Ping });
        }

        if (read != written || isWaitedFor || isUp)
        {
            Begin(now);
        }
    }
}
