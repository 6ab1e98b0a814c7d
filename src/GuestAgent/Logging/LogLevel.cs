namespace ChannelSdk.GuestAgent.Logging;

/// <summary>How important a log line is; a lower number is more important.</summary>
internal enum LogLevel
{
    Error,
    Warning,
    Info,
    Debug,
}
