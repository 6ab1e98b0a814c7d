using System.Text;
using ChannelSdk.GuestAgent.Files;

namespace ChannelSdk.GuestAgent.Platform.Mounts;

/// <summary>One line of /proc/self/mountinfo (proc_pid_mountinfo(5)).</summary>
/// <param name="Id">The mount's number.</param>
/// <param name="Device">Major and minor number of the file system, as <c>254:1</c>.</param>
/// <param name="Root">Which folder of the file system is mounted; not "/" for a bind mount of a part of it.</param>
/// <param name="Path">Where it is mounted.</param>
/// <param name="Type">For instance "ext4".</param>
/// <param name="Source">For instance "/dev/vda1".</param>
/// <param name="IsReadOnly">Whether the file system itself is read-only, not only this mount of it.</param>
internal sealed record MountEntry(int Id, string Device, string Root, string Path, string Type, string Source, bool IsReadOnly)
{
    /// <summary>Without a block device's number: pseudo and network file systems, and some with volumes of their own.</summary>
    public bool IsAnonymous => Device.StartsWith("0:", StringComparison.Ordinal);

    /// <summary>The path's bytes where they are no UTF-8, so that <see cref="Path"/> shows it and does not lead there; else null.</summary>
    public byte[]? RawPath { get; init; }

    /// <summary>The path as system calls take it: its bytes, with a zero behind.</summary>
    public byte[] PathBytes() => [.. RawPath ?? Encoding.UTF8.GetBytes(Path), 0];
}
