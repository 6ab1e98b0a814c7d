namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>The bounds of a freeze.</summary>
/// <param name="MaxLease">The longest lease that the image allows at the time of a request.</param>
internal sealed record FreezeOptions(Func<TimeSpan> MaxLease)
{
    /// <summary>Mount points that a request may name.</summary>
    public const int MaxAskedMounts = 256;

    /// <summary>The shortest lease; less leaves no time for a snapshot.</summary>
    public static readonly TimeSpan MinLease = TimeSpan.FromSeconds(1);
}
