using ChannelSdk.Protocol;

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
    /// <exception cref="ChannelException">No such port at present (code 500, class Retry).</exception>
    internal string Locate(string target)
    {
        if (target.StartsWith('/'))
        {
            return target;
        }
        string byName = Path.Combine(deviceRoot, "virtio-ports", target);
        if (File.Exists(byName))
        {
            return byName;
        }

        var others = new List<string>();
        foreach ((string name, string device) in Ports())
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
        string there = others.Count > 0
            ? $"Ports that are there: {string.Join(", ", others)}."
            : "The guest has no named virtio port at all (is the virtio_console module loaded?).";
        throw new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
            $"There is no virtio port named {target}. {there} "
            + $"Give the virtual machine -device virtserialport,chardev=chan0,name={target}.");
    }

    private IEnumerable<(string Name, string Device)> Ports()
    {
        if (!Directory.Exists(classRoot))
        {
            yield break;
        }
        foreach (string directory in Directory.GetFileSystemEntries(classRoot))
        {
            string name;
            try
            {
                name = File.ReadAllText(Path.Combine(directory, "name")).Trim();
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Unplugged since the listing.
                continue;
            }
            yield return (name, Path.GetFileName(directory));
        }
    }
}
