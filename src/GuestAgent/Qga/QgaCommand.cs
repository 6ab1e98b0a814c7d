namespace ChannelSdk.GuestAgent.Qga;

/// <summary>One command of the protocol.</summary>
/// <param name="name">Its name there.</param>
/// <param name="method">The channel's method whose policy it is under; null for what belongs to the protocol itself.</param>
/// <param name="run">Does it, and writes what it returns; nothing stands for an empty object.</param>
internal sealed class QgaCommand(string name, string? method, Func<QgaCall, ValueTask> run)
{
    public string Name => name;

    public string? Method => method;

    public Func<QgaCall, ValueTask> Run => run;

    /// <summary>It is served while the guest is frozen, since it touches no file.</summary>
    public bool WhileFrozen { get; init; }

    /// <summary>It waits for nothing, so no thread has to be kept free of it.</summary>
    public bool IsQuick { get; init; }

    /// <summary>Its success has no reply: the guest is going down, or asleep.</summary>
    public bool IsSilent { get; init; }

    /// <summary>What a command does that never waits for a task.</summary>
    public static Func<QgaCall, ValueTask> AtOnce(Action<QgaCall> run) => call =>
    {
        run(call);
        return ValueTask.CompletedTask;
    };
}
