using System.Globalization;
using ChannelSdk.Channels.Workers;

namespace ChannelSdk.Worker.Confinement;

/// <summary>
/// What the host manager decides of a worker's confinement. All of it are numbers, as arguments can be read by all users of the host: none
/// is a secret.
/// </summary>
internal sealed class ConfinementSettings
{
    /// <summary>The names of the arguments, for the line about wrong ones.</summary>
    public const string Names = "control, descriptors, user, mounts, data, files, tasks, kind";

    /// <summary>The first descriptor that is given; those below it are the standard ones.</summary>
    public const int FirstGiven = 3;

    private const int MostDescriptors = 1024;

    /// <summary>Descriptor of the control socket.</summary>
    public int Control { get; private set; } = 3;

    /// <summary>How many descriptors it was given, from 3 on.</summary>
    public int Descriptors { get; private set; } = 1;

    /// <summary>User and group that it becomes; 0 to stay whom it was started as.</summary>
    public uint User { get; private set; }

    /// <summary>
    /// The inode of the mount namespace (namespaces(7)) that it must not change, as the host's processes have it; 0 where it has no other
    /// and leaves its root as it is.
    /// </summary>
    public ulong HostMounts { get; private set; }

    /// <summary>Bytes of data (RLIMIT_DATA); 0 for no bound.</summary>
    public ulong DataBytes { get; private set; }

    /// <summary>Descriptors that it may have (RLIMIT_NOFILE).</summary>
    public ulong Files { get; private set; } = 64;

    /// <summary>Threads that its user may have (RLIMIT_NPROC), where it has a user of its own.</summary>
    public ulong Tasks { get; private set; } = 32;

    /// <summary>What it is given for a link, by which its system calls are allowed.</summary>
    public BrokeredKind Kind { get; private set; }

    /// <summary>Reads the arguments; null if one is unknown or out of its range.</summary>
    public static ConfinementSettings? Parse(string[] arguments)
    {
        var settings = new ConfinementSettings();
        foreach (var argument in arguments)
        {
            var end = argument.IndexOf('=', StringComparison.Ordinal);
            if (end < 0 || !ulong.TryParse(argument.AsSpan(end + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var value) || !settings.Set(argument[..end], value))
            {
                return null;
            }
        }

        return settings.Control < FirstGiven + settings.Descriptors ? settings : null;
    }

    private bool Set(string name, ulong value)
    {
        switch (name)
        {
            case "control" when value is >= FirstGiven and < MostDescriptors:
                Control = (int)value;
                return true;
            case "descriptors" when value is >= 1 and < MostDescriptors:
                Descriptors = (int)value;
                return true;
            case "user" when value < uint.MaxValue:
                User = (uint)value;
                return true;
            case "mounts":
                HostMounts = value;
                return true;
            case "data":
                DataBytes = value;
                return true;
            case "files" when value is > FirstGiven and <= MostDescriptors:
                Files = value;
                return true;
            case "tasks" when value >= 1:
                Tasks = value;
                return true;
            case "kind" when value <= (ulong)BrokeredKind.Vchan:
                Kind = (BrokeredKind)value;
                return true;
            default:
                return false;
        }
    }
}
