namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>The guest or its front-end did what ends the device: a ring or a message that cannot be right.</summary>
/// <param name="message">What was wrong, a clause without final stop.</param>
internal sealed class DeviceFaultException(string message) : Exception(message);
