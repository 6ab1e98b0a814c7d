using ChannelSdk.GuestAgent.Files;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>A place that a client may open.</summary>
/// <param name="Path">As the client named it.</param>
/// <param name="Mode">As the client named it.</param>
/// <param name="Raw">Where that leads.</param>
/// <param name="Flags">What the mode is for open(2).</param>
internal sealed record QgaPlace(string Path, string Mode, RawPath Raw, int Flags);
