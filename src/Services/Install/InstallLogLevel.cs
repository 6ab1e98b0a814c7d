namespace ChannelSdk.Services.Install;

/// <summary>How much a line of a log matters.</summary>
public enum InstallLogLevel
{
    /// <summary>Of use to find an error.</summary>
    Debug,
    /// <summary>As it should be.</summary>
    Info,
    /// <summary>Not as it should be, and it goes on.</summary>
    Warning,
    /// <summary>Something failed.</summary>
    Error,
}
