using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.GuestAgent.Gate;

/// <summary>The unified hierarchy of the kernel, also where systemd has it beside the old ones.</summary>
internal sealed class LinuxGatePlatform : IGatePlatform
{
    private const int MaxProcesses = 1 << 20;
    private const int MaxLooked = 256;
    private const int MaxName = 64;
    private const int AwaitMilliseconds = 5;

    // linux/sched.h, flags of a process as field 9 of /proc/PID/stat has them
    private const uint KernelThread = 0x00200000;

    // asm-generic/poll.h; cgroup.events says a change by it.
    private const short PollPriority = 0x2;
    private string? _root;

    // A successor opens what it is told by name, before it has looked for anything.
    private string Root => _root ??= Cgroup.UnifiedRoot;

    public GatePlace? Find(out string reason)
    {
        reason = "";
        _root = Cgroup.UnifiedRoot;
        var own = GroupOf("self");
        if (!File.Exists($"{Root}/cgroup.procs") || own is null)
        {
            reason = own is null ? "the agent is in no control group of version 2 that it sees" : $"there are no control groups of version 2 in {Root}";
            return null;
        }

        if (own == "/" && GroupOf("1") != "/")
        {
            reason = "the agent is in the root of the control groups; it needs one of its own";
            return null;
        }

        return new GatePlace(own, GroupOf("1"), ProcessStat.Fields("/proc/self") is [_, var parent, ..] && parent != "1" ? GroupOf(parent) : null);
    }

    public IReadOnlyList<string> Children(string group)
    {
        try
        {
            return [.. Directory.EnumerateDirectories(Folder(group)).Select(path => path[Root.Length..]).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    public IReadOnlyList<int>? Processes(string group)
    {
        if (SmallFile.TryRead($"{Folder(group)}/cgroup.procs", MaxProcesses, out var bytes) != 0)
        {
            return null;
        }

        // No sequences of numbers: each of their methods would add to the agent's size.
        var found = new List<int>();
        foreach (var line in Encoding.UTF8.GetString(bytes).Split('\n'))
        {
            if (int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id > 0 && !IsKernelThread(id))
            {
                found.Add(id);
            }
        }

        return found;
    }

    public bool IsEmpty(string group) => SmallFile.TryRead($"{Folder(group)}/cgroup.events", MaxLooked, out var bytes) == 0 && IsSaid(bytes, "populated 0\n");

    public int SessionOf(int process) => ProcessStat.Fields($"/proc/{process}") is [_, _, _, var session, ..]
        && int.TryParse(session, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0;

    public string Describe(int process)
    {
        var name = LogText.Escape(SmallFile.Read($"/proc/{process}/comm").TrimEnd('\n'), MaxName);
        return string.Create(CultureInfo.InvariantCulture, $"{process} ({(name.Length > 0 ? name : "gone")})");
    }

    public bool? IsAsked(string group) => SmallFile.Read($"{Folder(group)}/cgroup.freeze").TrimEnd('\n') switch
    {
        "0" => false,
        "1" => true,
        _ => null,
    };

    // A frozen group in a frozen one, or an empty one, says so as well.
    public bool IsFrozen(string group) =>
        SmallFile.TryRead($"{Folder(group)}/cgroup.events", MaxLooked, out var bytes) is Errno.ENOENT or Errno.ENODEV || IsSaid(bytes, "frozen 1\n");

    public unsafe int Set(string group, bool isFrozen)
    {
        // Without memory of the runtime: it also opens the gate when all else fails.
        using var file = new SafeFd(FileCalls.Open($"{Folder(group)}/cgroup.freeze", Abi.O_WRONLY | Abi.O_CLOEXEC));
        if (file.IsInvalid)
        {
            return Errno.Last;
        }

        var value = (byte)(isFrozen ? '1' : '0');
        return DescriptorCalls.Write(file, &value, 1) == 1 ? 0 : Errno.Last;
    }

    public unsafe void Await(string group)
    {
        using var file = new SafeFd(FileCalls.Open($"{Folder(group)}/cgroup.events", Abi.O_CLOEXEC));
        byte first;
        if (file.IsInvalid || DescriptorCalls.Read(file, &first, 1) != 1 || IsFrozen(group))
        {
            return;
        }

        var entry = new PollFd { Fd = file.DangerousGetHandle().ToInt32(), Events = PollPriority };
        _ = DescriptorCalls.Poll(&entry, 1, AwaitMilliseconds);
    }

    public string Unfreezable(string group)
    {
        var looked = 0;
        var waiting = new List<string>();
        Look(group, waiting, ref looked);
        return waiting.Count == 0 ? "" : $"; these wait in the kernel: {string.Join(", ", waiting)}";
    }

    private void Look(string group, List<string> waiting, ref int looked)
    {
        foreach (var id in Processes(group) ?? [])
        {
            if (++looked > MaxLooked || waiting.Count == 5)
            {
                return;
            }

            if (ProcessStat.Fields($"/proc/{id}") is ["D", ..])
            {
                waiting.Add(Describe(id));
            }
        }

        foreach (var child in Children(group).Take(MaxLooked))
        {
            Look(child, waiting, ref looked);
        }
    }

    private string Folder(string group) => group == "/" ? Root : Root + group;

    private static bool IsSaid(ReadOnlySpan<byte> events, string line) => Encoding.UTF8.GetString(events).Contains(line, StringComparison.Ordinal);

    private static bool IsKernelThread(int id) => ProcessStat.Fields($"/proc/{id}") is var fields
        && fields.Length > 6 && uint.TryParse(fields[6], NumberStyles.None, CultureInfo.InvariantCulture, out var flags) && (flags & KernelThread) != 0;

    // A process outside of this hierarchy's root has a path that begins with "/..", and a group that has gone ends with " (deleted)" (cgroups(7)).
    private static string? GroupOf(string process)
    {
        foreach (var line in SmallFile.Read($"/proc/{process}/cgroup").Split('\n'))
        {
            if (line.StartsWith("0::/", StringComparison.Ordinal))
            {
                var path = line[3..];
                return path == "/.." || path.StartsWith("/../", StringComparison.Ordinal) || path.EndsWith(" (deleted)", StringComparison.Ordinal) ? null : path;
            }
        }

        return null;
    }
}
