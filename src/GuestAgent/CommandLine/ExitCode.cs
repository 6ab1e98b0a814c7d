namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary>The exit codes; for status they follow the LSB's for init scripts where those fit.</summary>
internal static class ExitCode
{
    public const int Success = 0;
    public const int NotConnected = 1;
    public const int BadUsage = 2;
    public const int NotRunning = 3;
    public const int Unknown = 4;

    /// <summary>The daemon could not go on for a reason other than its configuration.</summary>
    public const int Failed = 1;
}
