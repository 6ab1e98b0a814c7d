namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>What the front-end has said of one queue so far, but for its descriptors.</summary>
/// <param name="Size">Descriptors; 0 if it was not told.</param>
/// <param name="Base">The available index to begin with, if it does not run.</param>
/// <param name="Addresses">Where it is; null if it was not told.</param>
/// <param name="IsEnabled">Whether it was enabled.</param>
/// <param name="IsRunning">Whether it runs.</param>
/// <param name="HasKick">Whether there is a descriptor for kicks.</param>
/// <param name="HasCall">Whether there is one for interrupts.</param>
internal readonly record struct RingRecord(uint Size, ushort Base, RingAddresses? Addresses, bool IsEnabled, bool IsRunning, bool HasKick, bool HasCall);
