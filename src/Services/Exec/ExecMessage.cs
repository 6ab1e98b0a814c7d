namespace ChannelSdk.Services.Exec;

/// <summary>The first byte of a message of exec.Run (exec.proto).</summary>
public enum ExecMessage : byte
{
    /// <summary>Towards the program; nothing behind it is the input's end.</summary>
    Input = 0,
    /// <summary>What the program wrote to its standard output.</summary>
    Output = 1,
    /// <summary>What the program wrote to its standard error.</summary>
    Error = 2,
    /// <summary>An ExecStarted.</summary>
    Started = 3,
    /// <summary>An ExecExited.</summary>
    Exited = 4,
}
