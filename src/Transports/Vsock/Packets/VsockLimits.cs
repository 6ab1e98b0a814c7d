namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>Bounds of what one guest can make its device hold.</summary>
/// <param name="Connections">Connections at once, those that are being closed included.</param>
/// <param name="BufferBytes">Received bytes that may wait in one connection; what the guest gets as credit.</param>
/// <param name="Refusals">RST packets that may wait for the guest to take them; beyond, nothing is read from it.</param>
internal readonly record struct VsockLimits(int Connections, uint BufferBytes, int Refusals)
{
    internal static VsockLimits Default { get; } = new(128, 256 * 1024, 64);
}
