using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.VirtioSerial;

/// <summary>Finds the device file of a virtio port by its name, with or without udev.</summary>
/// <param name="deviceRoot">Normally /dev.</param>
/// <param name="classRoot">Normally /sys/class/virtio-ports.</param>
internal sealed class VirtioPortLocator(string deviceRoot, string classRoot)
{
    private const int MaxListed = 16;

    internal VirtioPortLocator() : this("/dev", "/sys/class/virtio-ports")
    {
    }

    /// <summary>The path to open for a name, or for a path the path itself.</summary>
    /// <exception cref="ChannelException">No such port at present (<see cref="ChannelError.EndpointMissing"/>, class Retry).</exception>
    internal string Locate(string target)
    {
        if (target.StartsWith('/'))
        {
            return target;
        }

        var byName = Path.Combine(deviceRoot, "virtio-ports", target);
        if (File.Exists(byName))
        {
            return byName;
        }

        var others = new List<string>();
        foreach (var (name, device) in Ports())
        {
            if (name == target)
            {
                return Path.Combine(deviceRoot, device);
            }

            if (name.Length > 0 && others.Count < MaxListed)
            {
                others.Add(name);
            }
        }

        var there = others.Count > 0
            ? $"ports that are there: {string.Join(", ", others)}"
            : "the guest has no named virtio port at all (is the virtio_console module loaded?)";
        throw new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
            $"there is no virtio port named {target}; {there}; "
            + $"give the virtual machine -device virtserialport,chardev=chan0,name={target}");
    }

    private IEnumerable<(string Name, string Device)> Ports()
    {
        if (!Directory.Exists(classRoot))
        {
            yield break;
        }

        foreach (var directory in Directory.GetFileSystemEntries(classRoot))
        {
            var name = SmallFile.Read(Path.Combine(directory, "name")).Trim();
            // Without a name, or unplugged since the listing.
            if (name.Length != 0)
            {
                yield return (name, Path.GetFileName(directory));
            }
        }
    }
}
