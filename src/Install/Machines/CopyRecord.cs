using System.Security.Cryptography;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Install.Records;

namespace ChannelSdk.Install.Machines;

/// <summary>The record of an instance that is a clone of another one.</summary>
internal static class CopyRecord
{
    private const int OwnBytes = 3;

    /// <summary>The other's, with another name, other disks and other hardware addresses, and without the other's addresses of the network.</summary>
    /// <param name="record">The other's.</param>
    /// <param name="name">Its name.</param>
    /// <param name="disks">Its disks.</param>
    /// <param name="taken">Hardware addresses that other instances have.</param>
    public static InstanceRecord Of(InstanceRecord record, string name, IReadOnlyList<TargetDisk> disks, IEnumerable<string> taken)
    {
        var used = taken.Select(static mac => mac.ToLowerInvariant()).ToHashSet();
        return record with { Name = name, Disks = disks, Nics = [.. record.Nics.Select(nic => nic with { Mac = NewAddress(nic.Mac, used), Ip = null })] };
    }

    /// <summary>Which hardware address becomes which.</summary>
    public static IReadOnlyList<AddressChange> Changes(IReadOnlyList<string> present, InstanceRecord record) =>
        [.. present.Zip(record.Nics).Where(static pair => !string.Equals(pair.First, pair.Second.Mac, StringComparison.OrdinalIgnoreCase)).Select(static pair => new AddressChange(pair.First, pair.Second.Mac))];

    // The maker's part stays: by it a network may know who gives addresses.
    private static string NewAddress(string mac, HashSet<string> used)
    {
        while (true)
        {
            var next = $"{mac[..(3 * OwnBytes)]}{string.Join(':', Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(OwnBytes)).Chunk(2).Select(static pair => new string(pair)))}";
            if (used.Add(next.ToLowerInvariant()))
            {
                return next;
            }
        }
    }
}
