using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Platform.Mounts;

/// <summary>A file system with storage in this guest, or in its memory.</summary>
/// <param name="Mounts">Its mounts, the one to name it by first.</param>
/// <param name="Asked">The mount by which it is asked.</param>
/// <param name="Keeper">The mount whose program or server it takes to get an answer; the asked one where there is none.</param>
/// <param name="Figures">How full it is; null if it did not answer.</param>
internal sealed record FileSystemFact(IReadOnlyList<MountEntry> Mounts, MountEntry Asked, MountEntry Keeper, FileSystemFigures? Figures)
{
    /// <summary>The mount that it is named by.</summary>
    public MountEntry Main => Mounts[0];
}

/// <summary>
/// The file systems of this guest and how full they are. Those of servers are not asked, and the wait is short for file systems that are made by a
/// program, or mounted beneath such.
/// </summary>
/// <param name="ask">Asks one file system.</param>
internal sealed class FileSystemFacts(Func<MountEntry, FileSystemFigures> ask)
{
    private const int MaxFileSystems = 256;

    // Long names have no place in a bounded answer.
    private const int MaxPath = 1024;
    private const int MaxTried = 8;
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(800);
    private static readonly string[] s_inMemory = ["tmpfs", "devtmpfs", "ramfs", "rootfs"];
    private static readonly string[] s_volumes = ["btrfs", "bcachefs", "zfs"];

    // Apart, so that programs that hang leave threads for what is behind none.
    private readonly FileSystemProbe _own = new(maxThreads: 2, s_patience, ask);
    private readonly FileSystemProbe _kept = new(maxThreads: 4, s_patience, ask);

    /// <summary>Asks this guest's kernel.</summary>
    public FileSystemFacts() : this(FileSystemFigures.Of)
    {
    }

    /// <summary>All of this guest, read at each call: storage first, then memory; of very many the first.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.Unsupported"/>: the list of mounts cannot be read.</exception>
    public IReadOnlyList<FileSystemFact> Collect() => Collect(MountList.Read(MountList.Own, static mount => HasStorage(mount) || IsKeeper(mount)).Table);

    /// <summary>All of a table.</summary>
    public IReadOnlyList<FileSystemFact> Collect(MountTable table)
    {
        MountEntry[] keepers = [.. table.Entries.Where(IsKeeper)];
        FileSystemFact[] facts = [.. table.ByFileSystem(static mount => HasStorage(mount) && mount.Path.Length <= MaxPath)
            .OrderBy(static mounts => s_inMemory.Contains(mounts[0].Type) ? 1 : 0).Take(MaxFileSystems).Select(mounts => Unasked(mounts, keepers))];
        Ask(_own, facts, isKept: false);
        Ask(_kept, facts, isKept: true);
        return facts;
    }

    private static void Ask(FileSystemProbe probe, FileSystemFact[] facts, bool isKept)
    {
        int[] asked = [.. Indexes(facts, fact => IsKeeper(fact.Keeper) == isKept)];
        var answers = probe.Ask([.. asked.Select(i => (facts[i].Asked, facts[i].Keeper))]);
        for (var i = 0; i < asked.Length; i++)
        {
            facts[asked[i]] = facts[asked[i]] with { Figures = answers[i] };
        }
    }

    private static IEnumerable<int> Indexes(FileSystemFact[] facts, Func<FileSystemFact, bool> isWanted)
    {
        for (var i = 0; i < facts.Length; i++)
        {
            if (isWanted(facts[i]))
            {
                yield return i;
            }
        }
    }

    // By a mount that depends on no other program, if there is one.
    private static FileSystemFact Unasked(MountEntry[] mounts, MountEntry[] keepers)
    {
        var asked = mounts.Take(MaxTried).FirstOrDefault(mount => !IsKeeper(KeeperOf(mount, keepers))) ?? mounts[0];
        return new FileSystemFact(mounts, asked, KeeperOf(asked, keepers), null);
    }

    private static bool HasStorage(MountEntry mount) => !mount.IsAnonymous || mount.Type == "tmpfs" || s_volumes.Contains(mount.Type);

    // A file system that depends on a program (fuse), on a server, or of an unknown kind. The kernel's own views of itself and
    // overlays, which are as good as what is below them, need none.
    private static bool IsKeeper(MountEntry mount) => mount.Type == "fuseblk"
        || (mount.IsAnonymous && (mount.Type.StartsWith("fuse", StringComparison.Ordinal) || mount.Type is "nfs" or "nfs4" or "cifs" or "smb3" or "9p" or "ceph" or "virtiofs"
            or "afs" or "coda" or "lustre" or "gpfs" or "orangefs" or "beegfs" or "vboxsf" or "vmhgfs" or "autofs"));

    // The innermost on the way there by its name, or itself.
    private static MountEntry KeeperOf(MountEntry mount, MountEntry[] keepers)
    {
        var best = mount;
        foreach (var keeper in keepers)
        {
            if (MountTable.IsWithin(mount.Path, keeper.Path) && (best == mount || keeper.Path.Length >= best.Path.Length))
            {
                best = keeper;
            }
        }

        return best;
    }
}
