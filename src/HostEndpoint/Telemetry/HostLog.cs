using ChannelSdk.Protocol.Errors;
using Microsoft.Extensions.Logging;

namespace ChannelSdk.Host.Telemetry;

/// <summary>The host's log lines. Texts of a guest come here escaped; arguments, contents and secrets do not come here.</summary>
internal static partial class HostLog
{
    /// <summary>The logger's category.</summary>
    public const string Category = "ChannelSdk.Host";

    [LoggerMessage((int)HostLogEvent.InstanceAttached, LogLevel.Information, "{Instance}: attached at {Endpoint}", EventName = nameof(HostLogEvent.InstanceAttached))]
    public static partial void InstanceAttached(ILogger logger, string instance, string endpoint);

    [LoggerMessage((int)HostLogEvent.InstanceDetached, LogLevel.Information, "{Instance}: detached", EventName = nameof(HostLogEvent.InstanceDetached))]
    public static partial void InstanceDetached(ILogger logger, string instance);

    [LoggerMessage((int)HostLogEvent.LinkUp, LogLevel.Information, "{Instance}: {Text}", EventName = nameof(HostLogEvent.LinkUp))]
    public static partial void LinkUp(ILogger logger, string instance, string text);

    [LoggerMessage((int)HostLogEvent.LinkLost, LogLevel.Warning, "{Instance}: the link was lost ({Error}): {Text}", EventName = nameof(HostLogEvent.LinkLost))]
    public static partial void LinkLost(ILogger logger, string instance, ChannelError error, string text);

    [LoggerMessage((int)HostLogEvent.EndpointFailed, LogLevel.Warning, "{Instance}: the endpoint cannot be opened ({Error}): {Text}", EventName = nameof(HostLogEvent.EndpointFailed))]
    public static partial void EndpointFailed(ILogger logger, string instance, ChannelError error, string text);

    [LoggerMessage((int)HostLogEvent.SessionStarted, LogLevel.Information, "{Instance}: {Text} began", EventName = nameof(HostLogEvent.SessionStarted))]
    public static partial void SessionStarted(ILogger logger, string instance, string text);

    [LoggerMessage((int)HostLogEvent.SessionResumed, LogLevel.Information, "{Instance}: {Text} goes on, on a new link", EventName = nameof(HostLogEvent.SessionResumed))]
    public static partial void SessionResumed(ILogger logger, string instance, string text);

    [LoggerMessage((int)HostLogEvent.SessionLost, LogLevel.Error, "{Instance}: the session was lost ({Error}): {Text}", EventName = nameof(HostLogEvent.SessionLost))]
    public static partial void SessionLost(ILogger logger, string instance, ChannelError error, string text);

    [LoggerMessage((int)HostLogEvent.PeerState, LogLevel.Debug, "{Instance}: {Text}", EventName = nameof(HostLogEvent.PeerState))]
    public static partial void PeerState(ILogger logger, string instance, string text);

    [LoggerMessage((int)HostLogEvent.Fault, LogLevel.Error, "{Instance}: {Text}", EventName = nameof(HostLogEvent.Fault))]
    public static partial void Fault(ILogger logger, string instance, string text);

    [LoggerMessage((int)HostLogEvent.EventsDropped, LogLevel.Warning, "{Instance}: {Text}", EventName = nameof(HostLogEvent.EventsDropped))]
    public static partial void EventsDropped(ILogger logger, string instance, string text);

    [LoggerMessage((int)HostLogEvent.CallAllowed, LogLevel.Information, "{Instance}: {Method} was let through", EventName = nameof(HostLogEvent.CallAllowed))]
    public static partial void CallAllowed(ILogger logger, string instance, string method);

    [LoggerMessage((int)HostLogEvent.CallRefused, LogLevel.Warning, "{Instance}: {Method} was refused: {Reason}", EventName = nameof(HostLogEvent.CallRefused))]
    public static partial void CallRefused(ILogger logger, string instance, string method, string reason);

    [LoggerMessage((int)HostLogEvent.GuestCallRefused, LogLevel.Warning, "{Instance}: {Method} of the guest was refused: {Reason}", EventName = nameof(HostLogEvent.GuestCallRefused))]
    public static partial void GuestCallRefused(ILogger logger, string instance, string method, string reason);

    [LoggerMessage((int)HostLogEvent.Alarm, LogLevel.Critical, "{Instance}: {Text}", EventName = nameof(HostLogEvent.Alarm))]
    public static partial void Alarm(ILogger logger, string instance, string text);

    [LoggerMessage((int)HostLogEvent.FreezeTaken, LogLevel.Information, "{Instance}: frozen; the lease ends in {Lease}", EventName = nameof(HostLogEvent.FreezeTaken))]
    public static partial void FreezeTaken(ILogger logger, string instance, TimeSpan lease);

    [LoggerMessage((int)HostLogEvent.FreezeRenewed, LogLevel.Information, "{Instance}: the freeze was renewed; the lease ends in {Lease}", EventName = nameof(HostLogEvent.FreezeRenewed))]
    public static partial void FreezeRenewed(ILogger logger, string instance, TimeSpan lease);

    [LoggerMessage((int)HostLogEvent.FreezeThawed, LogLevel.Information, "{Instance}: thawed", EventName = nameof(HostLogEvent.FreezeThawed))]
    public static partial void FreezeThawed(ILogger logger, string instance);

    [LoggerMessage((int)HostLogEvent.FreezeFailed, LogLevel.Warning, "{Instance}: {What} failed: {Text}", EventName = nameof(HostLogEvent.FreezeFailed))]
    public static partial void FreezeFailed(ILogger logger, string instance, string what, string text);
}
