using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Repair;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>A repair that does what the test says, and keeps what it did as the real one does.</summary>
internal sealed class FakeRepair : IRepair
{
    private readonly HashSet<string> _left = [];

    /// <summary>Runs within a repair; its text is the failure.</summary>
    public Func<Func<bool>, string> OnRun { get; set; } = static _ => "";

    public Func<HookFolder> Hooks { get; set; } = static () => new HookFolder("/nowhere", TimeSpan.Zero);

    public Action OnSettle { get; set; } = static () => { };

    public int Runs { get; private set; }

    public RepairResult? Last { get; set; }

    public bool IsUnfinished { get; set; }

    public byte[] Generation { get; private set; } = [];

    public bool HasLeft(ReadOnlySpan<byte> generation) => _left.Contains(Convert.ToHexString(generation));

    public RepairResult Run(CompleteRequest request, Func<bool> mustStop, Func<bool> isGated)
    {
        Runs++;
        if (Generation.Length > 0)
        {
            _left.Add(Convert.ToHexString(Generation));
        }

        Generation = request.Generation.ToByteArray();
        var failure = OnRun(mustStop);
        var step = new StepResult { Name = "random", Mandatory = true, Outcome = failure.Length > 0 ? StepOutcome.Failed : StepOutcome.Done, Reason = failure };
        return Last = new RepairResult(Generation, [step], failure, failure.Length == 0 && isGated());
    }

    public IReadOnlyList<StepResult> Settle()
    {
        OnSettle();
        return [];
    }
}
