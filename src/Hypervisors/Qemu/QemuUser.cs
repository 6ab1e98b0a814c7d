namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Whom a QEMU runs as.</summary>
/// <param name="Uid">Its user.</param>
/// <param name="Gid">Its group; that of /dev/kvm where KVM is used and this is set by hand.</param>
public readonly record struct QemuUser(uint Uid, uint Gid);
