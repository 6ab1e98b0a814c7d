using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>Thaws what an agent left frozen that did not end by itself. Runs before its successor opens any other file.</summary>
internal static class FreezeRecovery
{
    /// <summary>Thaws by the marker and removes it.</summary>
    /// <param name="marker">What the predecessor may have left.</param>
    /// <param name="platform">The kernel.</param>
    /// <param name="log">The log; held back, as it may go to a file system that is frozen, until all are thawed.</param>
    /// <returns>Whether there was a marker, so that the thaw hooks are due.</returns>
    public static bool Run(FreezeMarker marker, IFreezePlatform platform, AgentLog log)
    {
        if (!marker.Exists)
        {
            return false;
        }

        log.Hold();
        try
        {
            var devices = marker.Read();
            var engine = new FreezeEngine(platform);
            // In reverse, as a file system inside another was frozen first.
            foreach (var target in FreezePlan.Make(platform.ReadMounts(), [], platform.BackingFiles).Targets.Reverse())
            {
                if (devices.Contains(target.Main.Device))
                {
                    var result = engine.Force(target);
                    log.Warning($"{target.Main.Path}: left frozen by an agent that ended; {(result.Outcome == MountOutcome.Thawed ? "thawed" : result.Reason)}");
                }
            }

            _ = marker.Remove();
        }
        catch (Exception e)
        {
            // No error may keep the agent from starting.
            log.Error($"what an agent left frozen cannot be found: {e.Message}");
        }
        finally
        {
            log.Release();
        }

        return true;
    }
}
