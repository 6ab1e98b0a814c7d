namespace ChannelSdk.Install.Processes;

/// <summary>
/// What becomes of what a script on the host reads and writes. The functions are called on the thread that attends the script, with bytes that are
/// only there during the call, and with none at the end; while one of them waits, the script waits too.
/// </summary>
/// <param name="Output">Takes what it writes to its standard output.</param>
/// <param name="Error">Takes what it writes to its standard error.</param>
internal sealed record HostStreams(Action<ReadOnlyMemory<byte>> Output, Action<ReadOnlyMemory<byte>> Error)
{
    /// <summary>Takes what it writes to descriptor <see cref="ExtraNumber"/>; null: it has none.</summary>
    public Action<ReadOnlyMemory<byte>>? Extra { get; init; }

    /// <summary>Whether it has a standard input; else that is empty.</summary>
    public bool HasInput { get; init; }

    /// <summary>Whether its standard input or output moves much, and may take the memory for that.</summary>
    public bool IsWide { get; init; }

    /// <summary>Number of the further descriptor in the script; the one before is the script itself.</summary>
    public const int ExtraNumber = Linux.Processes.SpawnRequest.KeptNumber + 1;
}
