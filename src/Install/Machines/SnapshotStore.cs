using System.Text.RegularExpressions;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Install.Machines;

/// <summary>Where the snapshots of a host's instances are, and the disks that copies write to.</summary>
/// <param name="state">Folder of the instances' records and operations.</param>
internal sealed partial class SnapshotStore(string state)
{
    private const int MaxText = 80;

    /// <summary>The folder of a snapshot, which need not be there.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: a name is not allowed.</exception>
    public SnapshotFolder At(string instance, string name)
    {
        InstanceName.Check(instance);
        return Name().IsMatch(name) ? new SnapshotFolder(Path.Combine(FolderOf(instance), name)) : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
            $"'{SafeText.Escape(name, MaxText)}' is no name of a snapshot, which has 1 to 63 characters of a-z, 0-9, dot, hyphen and underscore, the first a letter or digit");
    }

    /// <summary>Names and stamps of an instance's snapshots, in the order of their names.</summary>
    public IReadOnlyList<(string Name, SnapshotStamp Stamp)> List(string instance)
    {
        InstanceName.Check(instance);
        return !Directory.Exists(FolderOf(instance)) ? []
            : [.. Directory.EnumerateDirectories(FolderOf(instance)).Select(static path => (Path.GetFileName(path), new SnapshotFolder(path)))
                .Where(static s => s.Item2.Exists).OrderBy(static s => s.Item1, StringComparer.Ordinal).Select(static s => (s.Item1, s.Item2.Read()))];
    }

    /// <summary>Makes the folders that a snapshot lies in.</summary>
    public void Prepare(string instance)
    {
        PrivateFolder.Ensure(Path.Combine(Path.GetFullPath(state), "snapshots"));
        PrivateFolder.Ensure(FolderOf(instance));
    }

    /// <summary>Paths of new disks of an instance, which are not there yet.</summary>
    /// <param name="instance">Name of the instance.</param>
    /// <param name="snapshot">The snapshot that they begin at.</param>
    /// <param name="count">How many.</param>
    public IReadOnlyList<string> NewDisks(string instance, string snapshot, int count)
    {
        PrivateFolder.Ensure(Path.GetDirectoryName(DisksOf(instance))!);
        PrivateFolder.Ensure(DisksOf(instance));
        var unique = Guid.NewGuid().ToString("N")[..8];
        return [.. Enumerable.Range(0, count).Select(i => Path.Combine(DisksOf(instance), FormattableString.Invariant($"{snapshot}-{unique}-{i}.qcow2")))];
    }

    /// <summary>Whether a disk is one of <see cref="NewDisks"/>.</summary>
    public bool IsOwn(string instance, TargetDisk disk) => Path.GetDirectoryName(disk.Path) == DisksOf(instance);

    private string FolderOf(string instance) => Path.Combine(Path.GetFullPath(state), "snapshots", instance);

    private string DisksOf(string instance) => Path.Combine(Path.GetFullPath(state), "disks", instance);

    [GeneratedRegex("^[a-z0-9][a-z0-9._-]{0,62}\\z")]
    private static partial Regex Name();
}
