namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>Where a split virtqueue is, in the front-end's addresses (vhost-user protocol, SET_VRING_ADDR).</summary>
internal readonly record struct RingAddresses(ulong Descriptors, ulong Used, ulong Available);
