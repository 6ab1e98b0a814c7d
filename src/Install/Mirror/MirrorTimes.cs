namespace ChannelSdk.Install.Mirror;

/// <summary>How long one connection of a guest to the proxy may take for its steps. The operation's deadline bounds all of it.</summary>
internal sealed record MirrorTimes
{
    /// <summary>Until the whole head of a request is there.</summary>
    public TimeSpan Head { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Until the server is reached, its name looked up.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Until the server answers.</summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Without a byte, or while the other side takes none.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(2);
}
