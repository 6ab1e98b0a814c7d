using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>The bounds of a freeze.</summary>
/// <param name="MaxLease">The longest lease that the image allows at the time of a request.</param>
internal sealed record FreezeOptions(Func<TimeSpan> MaxLease)
{
    /// <summary>Mount points that a request may name.</summary>
    public const int MaxAskedMounts = 256;

    /// <summary>The shortest lease; less leaves no time for a snapshot.</summary>
    public static readonly TimeSpan MinLease = TimeSpan.FromSeconds(1);

    /// <summary>Whether the host may shut the gate.</summary>
    public Func<bool> MayGate { get; init; } = static () => true;

    /// <summary>The times of a request.</summary>
    /// <param name="leaseMs">How long the lease is.</param>
    /// <param name="linkLossMs">How long its owner may be gone; 0 for the lease.</param>
    /// <param name="mounts">How many mount points it names.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: out of bounds.</exception>
    public (TimeSpan Length, TimeSpan LinkLoss) Check(uint leaseMs, uint linkLossMs, int mounts)
    {
        var length = CheckLease(leaseMs);
        return mounts <= MaxAskedMounts ? (length, linkLossMs == 0 ? length : TimeSpan.FromMilliseconds(linkLossMs))
            : throw Invalid($"{mounts} mounts; at most {MaxAskedMounts} can be named, none stands for all");
    }

    /// <summary>The length of a lease.</summary>
    /// <param name="milliseconds">As a request has it.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: out of bounds.</exception>
    public TimeSpan CheckLease(uint milliseconds)
    {
        var length = TimeSpan.FromMilliseconds(milliseconds);
        var max = MaxLease();
        return length >= MinLease && length <= max ? length : throw Invalid(
            $"lease_ms is {milliseconds}; allowed are {MinLease.TotalMilliseconds} to {max.TotalMilliseconds} ([freeze] max_lease in the image's agent.toml); renew it if more is needed");
    }

    private static ChannelException Invalid(string message) => new(ChannelError.InvalidArgument, ErrorClass.Refused, message);
}
