using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Install.Definitions;

/// <summary>A parameter that the scripts of an OS definition know.</summary>
/// <param name="Name">Its name: a-z, 0-9 and '_'.</param>
/// <param name="Class">The least class that a value of it has: an instance may keep a public one private, but not the other way.</param>
/// <param name="Default">Its value where the instance has none; null: there is none. Never of a secret.</param>
/// <param name="IsRequired">Whether an operation without a value is refused.</param>
/// <param name="Description">For people.</param>
public sealed record DefinitionParameter(string Name, ParameterClass Class, string? Default, bool IsRequired, string Description);
