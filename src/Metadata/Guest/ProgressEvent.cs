namespace ChannelSdk.Metadata.Guest;

/// <summary>Whether something began or ended.</summary>
public enum ProgressPhase
{
    /// <summary>It began.</summary>
    Start,
    /// <summary>It ended; <see cref="ProgressEvent.Result"/> says how.</summary>
    Finish,
}

/// <summary>How something ended.</summary>
public enum ProgressResult
{
    /// <summary>Well.</summary>
    Success,
    /// <summary>With a warning.</summary>
    Warning,
    /// <summary>It failed.</summary>
    Failure,
}

/// <summary>A step of the guest's boot or install, as the guest wrote it: escape it before a terminal or log sees them.</summary>
/// <param name="Cursor">Place in the instance's history, from 1, without gaps.</param>
/// <param name="ReceivedAt">When the host received it.</param>
/// <param name="Timestamp">When it happened by the guest's clock; null if it does not say.</param>
/// <param name="Origin">The reporter, for instance "cloudinit" or "phone_home"; at most 64 characters.</param>
/// <param name="Name">The step, for instance init-network/config-users-groups; at most 256 characters.</param>
/// <param name="Description">For people; at most 1024 characters.</param>
/// <param name="Phase">Whether it begins or ends.</param>
/// <param name="Result">How it ended; null at the start.</param>
/// <param name="Percent">How much of the whole is done, 0 to 100; null if the guest does not say.</param>
/// <param name="Details">What else the guest said of itself, bounded like the description: a phone_home's host name, ids and keys.</param>
public sealed record ProgressEvent(
    long Cursor,
    DateTimeOffset ReceivedAt,
    DateTimeOffset? Timestamp,
    string Origin,
    string Name,
    string Description,
    ProgressPhase Phase,
    ProgressResult? Result,
    double? Percent,
    IReadOnlyDictionary<string, string> Details);
