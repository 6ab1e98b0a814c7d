using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>One file system to freeze, by any of its mounts.</summary>
/// <param name="mounts">All mounts of it, the one to name it by first.</param>
internal sealed class FreezeTarget(IReadOnlyList<MountEntry> mounts)
{
    public IReadOnlyList<MountEntry> Mounts { get; } = mounts;

    /// <summary>The mount that it is named by.</summary>
    public MountEntry Main => Mounts[0];
}

/// <summary>What is frozen, in which order, and what is left out and why.</summary>
/// <param name="targets">In the order of freezing.</param>
/// <param name="skipped">Results for the others that were asked for.</param>
internal sealed class FreezePlan(IReadOnlyList<FreezeTarget> targets, IReadOnlyList<MountResult> skipped)
{
    public IReadOnlyList<FreezeTarget> Targets { get; } = targets;
    public IReadOnlyList<MountResult> Skipped { get; } = skipped;

    // Anonymous device numbers, and yet storage of their own that can be frozen.
    private static readonly string[] s_volumeTypes = ["btrfs", "bcachefs", "zfs"];

    /// <summary>
    /// Makes a plan: each file system once, however often it is mounted; the deepest mounts first; and before all that
    /// a file system whose storage is a file on another, since writing it out needs that other one unfrozen.
    /// </summary>
    /// <param name="table">The mounts.</param>
    /// <param name="asked">Mount points that must be in it; empty for all that can be.</param>
    /// <param name="backingFiles">The files behind a mount's storage.</param>
    /// <param name="ignoreUnknown">Whether an asked path that is no mount point is passed over.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>: an asked path is no mount point.</exception>
    public static FreezePlan Make(
        MountTable table, IReadOnlyCollection<string> asked, Func<MountEntry, IReadOnlyList<string>> backingFiles, bool ignoreUnknown = false)
    {
        string[] unknown = ignoreUnknown ? [] : [.. asked.Where(path => !table.Entries.Any(entry => entry.Path == path))];
        if (unknown.Length > 0)
        {
            throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused,
                $"no mount point: {string.Join(", ", unknown.Take(5))}; freeze.Freeze takes mount points, not folders or devices");
        }

        var targets = new List<FreezeTarget>();
        var skipped = new List<MountResult>();
        foreach (var mounts in table.ByFileSystem(static _ => true))
        {
            if (asked.Count > 0 && !mounts.Any(entry => asked.Contains(entry.Path)))
            {
                continue;
            }

            if (WhyNot(mounts[0]) is not { } reason)
            {
                targets.Add(new FreezeTarget(mounts));
            }
            else if (asked.Count > 0 || !mounts[0].IsAnonymous)
            {
                skipped.Add(Result(mounts[0], MountOutcome.Skipped, reason));
            }
        }

        return new FreezePlan(InnerFirst(table, DeepestFirst(targets), backingFiles), skipped);
    }

    /// <summary>A result that names a mount.</summary>
    public static MountResult Result(MountEntry mount, MountOutcome outcome, string reason = "") =>
        new() { Mount = Clip(mount.Path), Type = Clip(mount.Type), Source = Clip(mount.Source), Outcome = outcome, Reason = reason };

    // So that a report of many mounts fits into a message.
    private static string Clip(string text) => text.Length <= 200 ? text : text[..200] + "...";

    // Network file systems are never opened: a server that is away would block the caller without end.
    private static string? WhyNot(MountEntry mount) => mount switch
    {
        { IsReadOnly: true } => "mounted read-only: nothing can change it",
        { Type: "overlay" } => "an overlay stores nothing itself; the file system below it is frozen",
        { IsAnonymous: true } when !s_volumeTypes.Contains(mount.Type) => $"{mount.Type} has no storage in this guest that could be frozen",
        { Type: "fuseblk" } => "its driver is a program of its own and cannot be frozen",
        _ => null,
    };

    // Of equally deep ones the later may stand on the earlier by a name that is hidden now.
    private static FreezeTarget[] DeepestFirst(List<FreezeTarget> targets) =>
        [.. targets.AsEnumerable().Reverse().OrderBy(static target => -Depth(target.Main.Path))];

    private static int Depth(string path) => path == "/" ? 0 : path.AsSpan().Count('/');

    private static List<FreezeTarget> InnerFirst(
        MountTable table, FreezeTarget[] targets, Func<MountEntry, IReadOnlyList<string>> backingFiles)
    {
        var after = new Dictionary<string, List<FreezeTarget>>(StringComparer.Ordinal);
        foreach (var inner in targets)
        {
            foreach (var file in backingFiles(inner.Main))
            {
                if (table.Containing(file) is { } outer && outer.Device != inner.Main.Device)
                {
                    (after.TryGetValue(outer.Device, out var list) ? list : after[outer.Device] = []).Add(inner);
                }
            }
        }

        var ordered = new List<FreezeTarget>();
        var seen = new HashSet<FreezeTarget>(ReferenceEqualityComparer.Instance);
        void Visit(FreezeTarget target)
        {
            if (!seen.Add(target))
            {
                return;
            }

            foreach (var inner in after.GetValueOrDefault(target.Main.Device) ?? [])
            {
                Visit(inner);
            }

            ordered.Add(target);
        }

        Array.ForEach(targets, Visit);
        return ordered;
    }
}
