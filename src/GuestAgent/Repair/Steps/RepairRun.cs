using System.Diagnostics;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>What the steps of one repair have in common.</summary>
/// <param name="request">What the host said; checked.</param>
/// <param name="platform">The guest.</param>
/// <param name="enter">Notes that the guest has its new generation.</param>
/// <param name="owe">Notes what has to be done once other programs run again, for this agent or its successor.</param>
/// <param name="mustStop">Asked all the time; true ends the repair.</param>
internal sealed class RepairRun(CompleteRequest request, IRepairPlatform platform, Action<byte[]> enter, Action<string> owe, Func<bool> mustStop)
{
    // Under emulation a key of 3072 bits may take half a minute.
    private static readonly TimeSpan s_programTime = TimeSpan.FromSeconds(60);
    private static readonly SnapshotIdentity s_nothing = new();
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>What the host said.</summary>
    public CompleteRequest Request => request;

    /// <summary>The guest.</summary>
    public IRepairPlatform Platform => platform;

    /// <summary>True ends the repair.</summary>
    public Func<bool> MustStop => mustStop;

    /// <summary>The generation that the guest gets.</summary>
    public byte[] Generation { get; } = request.Generation.ToByteArray();

    /// <summary>Who a clone is; empty texts are left to the guest.</summary>
    public SnapshotIdentity Identity => request.Identity ?? s_nothing;

    /// <summary>How long this repair has run.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>Notes that the guest has its new generation.</summary>
    public void Enter() => enter(Generation);

    /// <summary>Notes what has to be done once other programs run again (<see cref="DueWork"/>); before it is made necessary.</summary>
    public void Owe(string due) => owe(due);

    /// <summary>Where a path of the guest is.</summary>
    public string At(string path) => platform.Root + path;

    /// <summary>Runs a program of the guest and says what is wrong with its end; null if it went well.</summary>
    public string? RunProgram(string name, params IReadOnlyList<string> arguments)
    {
        if (platform.Find(name) is not { } path)
        {
            return $"there is no {name}";
        }

        var result = platform.Run(path, arguments, s_programTime, mustStop);
        return result switch
        {
            { TimedOut: true } => $"{name} took more than {s_programTime.TotalSeconds:0} s, or was stopped",
            { ExitCode: 0 } => null,
            _ => $"{name} ended with {result.ExitCode}: {result.Output.Trim()}",
        };
    }
}
