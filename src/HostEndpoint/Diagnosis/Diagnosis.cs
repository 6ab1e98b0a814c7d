namespace ChannelSdk.Host.Diagnosis;

/// <summary>What is the matter with an instance, or that nothing is.</summary>
public enum Condition
{
    /// <summary>Its agent is connected and ready.</summary>
    Ready,
    /// <summary>The channel's socket cannot be opened, and nothing was ever heard.</summary>
    NeverConnected,
    /// <summary>The machine runs, and has not run long enough for its agent to be there.</summary>
    Booting,
    /// <summary>The machine runs, and no program in it has opened the channel's port: no driver, or no agent.</summary>
    DriverOrAgentMissing,
    /// <summary>Somebody in the guest has the port open and does not answer, or its agent went away.</summary>
    AgentSilent,
    /// <summary>Its agent says that calls take longer.</summary>
    Busy,
    /// <summary>Its file systems are frozen, until the time of the diagnosis.</summary>
    Frozen,
    /// <summary>The machine is paused by its manager.</summary>
    Paused,
    /// <summary>The guest sends more than it may and is held back.</summary>
    RateLimited,
    /// <summary>It is on its way down.</summary>
    Stopping,
    /// <summary>The machine has ended, crashed or was shut down.</summary>
    Dead,
    /// <summary>Another client holds the channel's socket, which takes one at a time.</summary>
    InUse,
    /// <summary>It is a copy of a guest that is being repaired, or whose repair has failed.</summary>
    Repairing,
}

/// <summary>The answer to "why does this instance not answer?".</summary>
/// <param name="Condition">The short answer.</param>
/// <param name="Text">The long answer, with what can be done. Safe to print.</param>
/// <param name="Until">When it ends by itself, if it does.</param>
public sealed record Diagnosis(Condition Condition, string Text, DateTimeOffset? Until = null);

/// <summary>What the machine's monitor knows.</summary>
/// <param name="RunState">QEMU's word: "running", "paused", "shutdown", "guest-panicked" and others.</param>
/// <param name="Uptime">How long its processors have run, or null if that is not known.</param>
/// <param name="IsPortOpen">Whether something in the guest has the channel's port open; null if the port was not found.</param>
public sealed record MachineFacts(string RunState, TimeSpan? Uptime, bool? IsPortOpen);
