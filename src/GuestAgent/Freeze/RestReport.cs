using System.Diagnostics;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>What was done on the way to rest, or back from it. Of one thread at a time.</summary>
internal sealed class RestReport
{
    private const int MaxReason = 1000;

    /// <summary>Hooks, file systems, and why nothing is at rest.</summary>
    public FreezeReport Freeze { get; } = new();

    /// <summary>The steps, in their order.</summary>
    public List<StepResult> Steps { get; } = [];

    /// <summary>Takes a step and notes it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="mandatory">Whether the whole fails with it.</param>
    /// <param name="step">Gives what became of it, with a text for a person.</param>
    /// <returns>Why it failed, or null.</returns>
    public string? Take(string name, bool mandatory, Func<(StepOutcome Outcome, string Text)> step)
    {
        var start = Stopwatch.GetTimestamp();
        var result = new StepResult { Name = name, Outcome = StepOutcome.Failed, Mandatory = mandatory };
        Steps.Add(result);
        try
        {
            var (outcome, text) = step();
            (result.Outcome, result.Reason) = (outcome, Bounded(text));
            return outcome == StepOutcome.Failed ? text : null;
        }
        catch (Exception e)
        {
            result.Reason = Bounded(e.Message);
            throw;
        }
        finally
        {
            result.ElapsedUs = (ulong)Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }
    }

    /// <summary>As above, of a step that says why it failed, or null.</summary>
    public string? Take(string name, Func<string?> step) =>
        Take(name, mandatory: true, () => step() is { } failure ? (StepOutcome.Failed, failure) : (StepOutcome.Done, ""));

    /// <summary>Adds another one's.</summary>
    public void Add(RestReport other)
    {
        Freeze.MergeFrom(other.Freeze);
        Steps.AddRange(other.Steps);
    }

    // At most 1024 bytes (snapshot.proto): the escaped text is of single bytes.
    private static string Bounded(string text) => LogText.Escape(text, MaxReason);
}
