namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>The names that the lists of a configuration may have; any other name in them is an error.</summary>
/// <param name="Methods">The methods that the agent serves to its host.</param>
/// <param name="QgaCommands">Its commands of the QEMU guest agent's protocol.</param>
internal sealed record AgentNames(IReadOnlyCollection<string> Methods, IReadOnlyCollection<string> QgaCommands);
