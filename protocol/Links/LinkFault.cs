using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Protocol.Links;

/// <summary>Why a link must be dropped.</summary>
/// <param name="Code">The stable code.</param>
/// <param name="Text">For a person; safe to print.</param>
public readonly record struct LinkFault(ChannelError Code, string Text);
