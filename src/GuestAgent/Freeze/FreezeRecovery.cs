using ChannelSdk.GuestAgent.Gate;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// Thaws what an agent left frozen that did not end by itself. Runs before its successor opens any other file. Processes that it stopped
/// go on, unless they must not before a repair has come to its end.
/// </summary>
internal static class FreezeRecovery
{
    /// <summary>Thaws by the marker, and leaves in it that the thaw hooks are due.</summary>
    /// <param name="marker">What the predecessor may have left.</param>
    /// <param name="platform">The kernel.</param>
    /// <param name="gate">The gate; shut at the end if it is kept so.</param>
    /// <param name="isUnrepaired">Whether the guest is a copy that is not repaired: what was stopped stays so for the rest of the lease.</param>
    /// <param name="log">The log; held back, as it may go to a file system that is frozen, until all are thawed.</param>
    /// <returns>How much of the lease of a gate that is still shut is left; null if there was no marker. The thaw hooks are due if not null.</returns>
    public static TimeSpan? Run(FreezeMarker marker, IFreezePlatform platform, ProcessGate gate, Func<bool> isUnrepaired, AgentLog log)
    {
        if (!marker.Exists)
        {
            return null;
        }

        var left = TimeSpan.Zero;
        log.Hold();
        try
        {
            var note = marker.Read();
            // First, as hooks and what reads the log may be among them, and what the file systems below wait for.
            gate.Adopt(note.Groups);
            left = note.Groups.Count > 0 && note.Left > TimeSpan.Zero && isUnrepaired() ? note.Left : TimeSpan.Zero;
            if (left == TimeSpan.Zero)
            {
                Open(gate, log);
            }

            var engine = new FreezeEngine(platform);
            // In reverse, as a file system inside another was frozen first.
            foreach (var target in FreezePlan.Make(platform.ReadMounts(), [], platform.BackingFiles).Targets.Reverse())
            {
                if (note.Devices.Contains(target.Main.Device))
                {
                    var result = engine.Force(target);
                    log.Warning($"{target.Main.Path}: left frozen by an agent that ended; {(result.Outcome == MountOutcome.Thawed ? "thawed" : result.Reason)}");
                }
            }

            if (left == TimeSpan.Zero)
            {
                marker.Begin(note.Kind);
            }
        }
        catch (Exception e)
        {
            // No error may keep the agent from starting.
            log.Error($"what an agent left frozen cannot be found: {e.Message}");
            left = TimeSpan.Zero;
            Open(gate, log);
        }
        finally
        {
            // What takes the log may be stopped.
            if (left == TimeSpan.Zero)
            {
                log.Release();
            }
        }

        return left;
    }

    private static void Open(ProcessGate gate, AgentLog log)
    {
        var isShut = gate.IsShut;
        var failures = gate.Open();
        if (isShut)
        {
            log.Warning(failures.Count == 0 ? "control groups: left frozen by an agent that ended; thawed"
                : $"control groups that an agent left frozen cannot be thawed: {string.Join(", ", failures)}");
        }
    }
}
