namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Whom a QEMU runs as.</summary>
/// <param name="Uid">Its user.</param>
/// <param name="Gid">Its only group; that of /dev/kvm where KVM is used.</param>
public readonly record struct QemuUser(uint Uid, uint Gid);
