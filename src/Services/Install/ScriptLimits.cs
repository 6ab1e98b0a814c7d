namespace ChannelSdk.Services.Install;

/// <summary>The bounds of one half of an operation, the same on both sides (install.proto, half.proto).</summary>
public static class ScriptLimits
{
    /// <summary>Variables that tell a script of its instance.</summary>
    public const int MaxVariables = 512;

    /// <summary>Bytes of them and of the parameters' values together.</summary>
    public const int MaxEnvironmentBytes = 96 << 10;

    /// <summary>Files of a definition that an appliance is given.</summary>
    public const int MaxFiles = 256;

    /// <summary>Parts of the path of one of them, its folders and its name.</summary>
    public const int MaxFileDepth = 8;

    /// <summary>Bytes of one of them, which goes as one message.</summary>
    public const int MaxFileBytes = 240 << 10;

    /// <summary>Bytes of all of them.</summary>
    public const int MaxAllFileBytes = 4 << 20;

    /// <summary>Bytes of a message between the halves, and of a result.</summary>
    public const int MaxMessage = 64 << 10;

    /// <summary>Messages under way to a half, not received yet.</summary>
    public const int Room = 64;

    /// <summary>Barriers of an operation.</summary>
    public const int MaxBarriers = 1024;

    /// <summary>Characters of a barrier's or parameter's name.</summary>
    public const int MaxName = 64;

    /// <summary>Steps that may be open inside of each other.</summary>
    public const int MaxSteps = 8;

    /// <summary>Bytes of a step's name, as UTF-8.</summary>
    public const int MaxStepName = 256;

    /// <summary>Bytes of a progress text, as UTF-8.</summary>
    public const int MaxText = 1024;

    /// <summary>Bytes of a log line, as UTF-8.</summary>
    public const int MaxLog = 4096;

    /// <summary>Reports (progress, steps, log lines, results) a second; beyond, and a burst of as many, the script waits.</summary>
    public const int ReportsPerSecond = 50;

    /// <summary>Disks whose data an operation moves.</summary>
    public const int MaxDisks = 64;

    /// <summary>Bytes of a disk's path in an appliance, as UTF-8.</summary>
    public const int MaxDevice = 255;

    /// <summary>Calls of one half's tool that are served at a time; further ones wait.</summary>
    public const int MaxCalls = 16;
}
