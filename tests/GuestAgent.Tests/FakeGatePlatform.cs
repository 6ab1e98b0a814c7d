using System.Collections.Concurrent;
using ChannelSdk.GuestAgent.Gate;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Control groups of a guest with systemd, which keep the kernel's rules: what is below a frozen group stands still.</summary>
/// <param name="done">Takes what was done.</param>
internal sealed class FakeGatePlatform(ConcurrentQueue<string>? done = null) : IGatePlatform
{
    public const string Own = "/system.slice/channel-agent.service";
    private readonly ConcurrentDictionary<string, byte> _asked = [];

    public ConcurrentQueue<string> Done { get; } = done ?? [];

    /// <summary>Where the agent is; null where there are no such groups.</summary>
    public GatePlace? Place { get; set; } = new(Own, "/init.scope", null);

    /// <summary>The groups with their processes.</summary>
    public ConcurrentDictionary<string, int[]> Groups { get; } = new(new Dictionary<string, int[]>
    {
        ["/"] = [],
        ["/init.scope"] = [1],
        ["/system.slice"] = [],
        [Own] = [Environment.ProcessId],
        [Own + "/channel-run-1"] = [900],
        ["/system.slice/cron.service"] = [300],
        ["/system.slice/ssh.service"] = [301],
        ["/user.slice"] = [],
        ["/user.slice/user-0.slice"] = [500],
    });

    /// <summary>Groups of which a process does not stand still.</summary>
    public ConcurrentDictionary<string, bool> Stuck { get; } = [];

    /// <summary>errno of a write, by group.</summary>
    public Dictionary<string, int> Errors { get; } = [];

    /// <summary>Groups without cgroup.freeze.</summary>
    public HashSet<string> Old { get; } = [];

    /// <summary>Called before a group is frozen or thawed.</summary>
    public Action<string, bool> OnSet { get; set; } = static (_, _) => { };

    public IEnumerable<string> Asked => _asked.Keys.Order(StringComparer.Ordinal);

    public void FreezeByOther(string group) => _asked[group] = 0;

    public GatePlace? Find(out string reason)
    {
        reason = Place is null ? "there are no control groups of version 2" : "";
        return Place;
    }

    public IReadOnlyList<string> Children(string group)
    {
        var start = group == "/" ? "/" : group + "/";
        return [.. Groups.Keys.Where(path => path.Length > start.Length && path.StartsWith(start, StringComparison.Ordinal) && !path[start.Length..].Contains('/', StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
    }

    public IReadOnlyList<int>? Processes(string group) => Groups.GetValueOrDefault(group);

    public bool IsEmpty(string group) => Groups.Where(one => GateWalk.IsWithin(one.Key, group)).All(static one => one.Value.Length == 0);

    public int SessionOf(int process) => process / 100;

    public string Describe(int process) => $"{process} (process)";

    public bool? IsAsked(string group) => !Groups.ContainsKey(group) || Old.Contains(group) ? null : _asked.ContainsKey(group);

    public bool IsFrozen(string group) => !Groups.ContainsKey(group) || (_asked.ContainsKey(group) && !Stuck.ContainsKey(group));

    public int Set(string group, bool isFrozen)
    {
        OnSet(group, isFrozen);
        if (Errors.TryGetValue(group, out var error) || !Groups.ContainsKey(group))
        {
            return error == 0 ? 2 : error;
        }

        _ = isFrozen ? _asked.TryAdd(group, 0) : _asked.TryRemove(group, out _);
        Done.Enqueue($"{(isFrozen ? "stop" : "go")} {group}");
        return 0;
    }

    public void Await(string group) => Thread.Sleep(1);

    public string Unfreezable(string group) => "; these wait in the kernel: 301 (process)";
}
