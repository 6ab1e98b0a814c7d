using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Repair.Steps;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Repair;

/// <summary>Repairs the guest that a platform stands for, step by step.</summary>
/// <param name="platform">The guest.</param>
/// <param name="page">Where programs see the generation.</param>
/// <param name="state">What outlives the agent.</param>
/// <param name="log">The log.</param>
internal sealed class GuestRepair(IRepairPlatform platform, GenerationPage page, RepairNotes state, AgentLog log) : IRepair
{
    // With its escapes, of which a character may take three bytes, a reason is at most 1024 bytes.
    private const int MaxReason = 330;
    private static readonly TimeSpan s_settleTime = TimeSpan.FromSeconds(5);

    public Func<HookFolder> Hooks { get; set; } = static () => new HookFolder("/nowhere", TimeSpan.Zero);

    public RepairResult? Last => state.Last;

    public bool IsUnfinished => state.IsUnfinished;

    public byte[] Generation => state.Generation;

    public bool HasLeft(ReadOnlySpan<byte> generation) => state.HasLeft(generation);

    public RepairResult Run(CompleteRequest request, Func<bool> mustStop, Func<bool> isGated)
    {
        var run = new RepairRun(request, platform, state.Enter, state.Owe, mustStop);
        var steps = new List<StepResult>();
        var failure = "";
        try
        {
            Note(() => state.Begin(run.Generation));
            foreach (var step in RepairSteps.Of(run, page, Hooks()))
            {
                var result = Perform(step, run);
                steps.Add(result);
                if (result is { Outcome: StepOutcome.Failed, Mandatory: true } && failure.Length == 0)
                {
                    failure = $"{result.Name}: {result.Reason}";
                }
            }
        }
        finally
        {
            Wipe(request.Entropy);
        }

        if (failure.Length == 0 && mustStop())
        {
            failure = "the repair was stopped";
        }

        var end = new RepairResult(run.Generation, steps, failure, failure.Length == 0 && isGated());
        Note(() => state.End(end));
        log.Info(failure.Length > 0 ? $"repair failed: {failure}"
            : $"repaired in {(long)run.Elapsed.TotalMilliseconds} ms, generation {Convert.ToHexStringLower(run.Generation)}");
        return end;
    }

    public IReadOnlyList<StepResult> Settle()
    {
        var steps = new List<StepResult>();
        var start = Stopwatch.GetTimestamp();
        foreach (var due in state.Due)
        {
            steps.Add(Report("settle", false, () => DueWork.Do(due, platform, s_settleTime - Stopwatch.GetElapsedTime(start))));
        }

        if (state.IsUnfinished)
        {
            Note(() => state.Settle(steps));
        }

        return steps;
    }

    private StepResult Perform(RepairStep step, RepairRun run)
    {
        var mandatory = true;
        try
        {
            mandatory = step.IsMandatory(run);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What cannot be looked at may be needed.
        }

        return Report(step.Name, mandatory, () => run.MustStop() ? StepEnd.Failed("the repair was stopped before it") : step.Do(run));
    }

    private StepResult Report(string name, bool mandatory, Func<StepEnd> work)
    {
        var start = Stopwatch.GetTimestamp();
        StepEnd end;
        try
        {
            end = work();
        }
        catch (Exception e)
        {
            end = StepEnd.Failed(FileFault.Describe(e));
        }

        var result = new StepResult
        {
            Name = LogText.Escape(name, 255),
            Outcome = end.Outcome,
            ElapsedUs = (ulong)Stopwatch.GetElapsedTime(start).TotalMicroseconds,
            Mandatory = mandatory,
            Reason = LogText.Escape(end.Reason, MaxReason),
        };
        if (end.Outcome == StepOutcome.Failed)
        {
            log.Warning($"repair: {result.Name}: {result.Reason}");
        }

        return result;
    }

    // Without the note a successor does not know of the repair; that is no reason to leave the guest as it is.
    private void Note(Action note)
    {
        try
        {
            note();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Warning($"the note of a repair for the agent's successor cannot be written: {FileFault.Describe(e)}");
        }
    }

    private static void Wipe(ByteString secret)
    {
        if (MemoryMarshal.TryGetArray(secret.Memory, out var bytes))
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
}
