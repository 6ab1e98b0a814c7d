namespace ChannelSdk.Protocol;

/// <summary>Why a link must be dropped.</summary>
internal readonly record struct LinkFault(ChannelError Code, string Text);
