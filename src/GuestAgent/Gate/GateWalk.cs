namespace ChannelSdk.GuestAgent.Gate;

/// <summary>
/// Looks at the groups once. Those on the way from the root to the agent and to PID 1 stay; at each level of the way all other groups are
/// to be frozen, and what is below them is with them, but for those without a process: a service that PID 1 starts in one later has to run.
/// A group on the way may have no process but the agent's and PID 1: it could not be stopped without them.
/// </summary>
/// <param name="platform">The kernel.</param>
/// <param name="place">Where the agent is.</param>
/// <param name="isOwn">Whether a process is the agent's own.</param>
internal sealed class GateWalk(IGatePlatform platform, GatePlace place, Func<int, bool> isOwn)
{
    private const int MaxGroups = 4096;
    private const int MaxNamed = 5;
    private readonly List<string> _found = [];

    /// <summary>The groups to freeze.</summary>
    public IReadOnlyList<string> Found => _found;

    /// <summary>Looks.</summary>
    /// <returns>Why the gate cannot be shut, or null.</returns>
    public string? Look()
    {
        _found.Clear();
        return Visit("/");
    }

    /// <summary>Whether a group is another or below it.</summary>
    public static bool IsWithin(string group, string other) =>
        other == "/" || group == other || (group.StartsWith(other, StringComparison.Ordinal) && group[other.Length] == '/');

    private string? Visit(string group)
    {
        if (platform.Processes(group) is not { } processes)
        {
            return $"the processes of control group {group} cannot be read";
        }

        var strange = new List<string>();
        foreach (var id in processes)
        {
            if (!(id == 1 && group == place.First) && !(isOwn(id) && group == place.Own) && strange.Count <= MaxNamed)
            {
                strange.Add(strange.Count < MaxNamed ? platform.Describe(id) : "more");
            }
        }

        if (strange.Count > 0)
        {
            return $"control group {group}{(group == place.Own ? ", the agent's," : "")} has processes besides the agent and PID 1: {string.Join(", ", strange)}; each needs a group of its own";
        }

        foreach (var child in platform.Children(group))
        {
            if (IsWithin(place.Own, child) || (place.First is { } first && IsWithin(first, child)))
            {
                if (Visit(child) is { } reason)
                {
                    return reason;
                }
            }
            else if (platform.IsEmpty(child))
            {
                // Only PID 1 and the agent can put a process into it once all others stand still.
            }
            else if (_found.Count == MaxGroups)
            {
                return $"there are more than {MaxGroups} control groups to freeze";
            }
            else if (place.Parent is { } parent && IsWithin(parent, child))
            {
                return $"what starts the agent again after it was killed would stand still itself: it is in control group {child}";
            }
            else
            {
                _found.Add(child);
            }
        }

        return null;
    }
}
