using ChannelSdk.GuestAgent.Logging;

namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// The record of refused and of privileged calls: lines of the agent's log that no level leaves out. They say which
/// method and which object; contents, arguments and environments, which may hold secrets, never reach it.
/// </summary>
/// <param name="log">The agent's log, which escapes and bounds each line.</param>
internal sealed class AuditLog(AgentLog log)
{
    /// <summary>A call was refused.</summary>
    /// <param name="what">The method or the object, for instance <c>files.Write /etc/passwd</c>.</param>
    /// <param name="reason">Why.</param>
    public void Refused(string what, string reason) => log.Audit($"refused {what}: {reason}", isRefused: true);

    /// <summary>A call that changes the guest was let through.</summary>
    /// <param name="what">The method or the object.</param>
    public void Privileged(string what) => log.Audit($"allowed {what}", isRefused: false);
}
