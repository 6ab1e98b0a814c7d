using ChannelSdk.Services;

namespace ChannelSdk.GuestAgent.Policy;

/// <summary>Answers for each permission that methods need; asked at each call, so that a reload takes effect at once.</summary>
/// <param name="rules">The policy's rules that hold.</param>
internal sealed class ServicePermissions(Func<PolicyRules> rules)
{
    /// <summary>Why a permission is not given, or null if it is.</summary>
    /// <param name="permission">One of <see cref="Permissions"/>, or empty.</param>
    public string? WhyNot(string permission) => permission switch
    {
        "" => null,
        Permissions.Power => rules().AllowPower ? null : "the image's policy says power = false ([permissions])",
        Permissions.Measure => rules().AllowMeasure ? null : "the image's policy says measure = false ([permissions])",
        Permissions.Install => rules().AllowInstall ? null : "this guest is no appliance (its policy says install = false, [permissions])",
        Permissions.ReadFiles => rules().Readable.Count > 0 ? null : "the image's policy allows no reading ([files] read)",
        Permissions.WriteFiles => rules().Writable.Count > 0 ? null : "the image's policy allows no writing ([files] write)",
        Permissions.RunPrograms => rules().Commands.Count > 0 ? null : "the image's policy allows no command ([[exec]])",
        _ => $"the agent knows no permission {permission}",
    };
}
