namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>One key of the configuration file.</summary>
/// <param name="Name">As it stands before the equals sign; flags use it with dashes.</param>
/// <param name="Allowed">What may stand behind the equals sign, for a person.</param>
/// <param name="Apply">
/// The configuration with the value, or null if the value is not allowed. May throw a
/// <see cref="Protocol.ChannelException"/> that says more.
/// </param>
internal sealed record ConfigKey(string Name, string Allowed, Func<AgentConfig, string, AgentConfig?> Apply);
