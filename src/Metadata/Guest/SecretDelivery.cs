using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Guest;

/// <summary>What is known of a delivery of secrets.</summary>
public enum SecretOutcome
{
    /// <summary>The guest's system acknowledged the whole answer.</summary>
    Received,
    /// <summary>The answer was written, and the way (a Unix socket, a relay) does not tell more, or the connection ended first. It is not given again.</summary>
    Unconfirmed,
    /// <summary>The connection ended before anything was written: the next request gets it.</summary>
    NotSent,
}

/// <summary>A delivery of secret OS parameters with <see cref="SecretAccess.Once"/>.</summary>
/// <param name="Cursor">Place in the instance's history, from 1, without gaps.</param>
/// <param name="At">When it ended.</param>
/// <param name="Parameters">Names of the parameters.</param>
/// <param name="Outcome">What is known of it.</param>
public sealed record SecretDelivery(long Cursor, DateTimeOffset At, IReadOnlyList<string> Parameters, SecretOutcome Outcome);
