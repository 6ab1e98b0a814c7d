using System.Globalization;

namespace ChannelSdk.Host.Policy;

/// <summary>Who asked.</summary>
public enum CallDirection
{
    /// <summary>The host asked the guest.</summary>
    ToGuest,
    /// <summary>The guest asked the host.</summary>
    ToHost,
}

/// <summary>A call that was refused here, or a privileged one that was let through. Contents and arguments are not in it.</summary>
/// <param name="At">When.</param>
/// <param name="Instance">The instance.</param>
/// <param name="Direction">Which side called.</param>
/// <param name="Method">The method; escaped, as the guest sent it, if the guest called.</param>
/// <param name="Refusal">Why it was refused; null: it was let through.</param>
public sealed record AuditRecord(DateTimeOffset At, string Instance, CallDirection Direction, string Method, string? Refusal)
{
    /// <summary>One line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{At.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ} audit: {Instance}: {(Refusal is null ? "allowed" : "refused")} {Method} {(Direction == CallDirection.ToGuest ? "to" : "of")} the guest{(Refusal is null ? "" : $": {Refusal}")}");
}
