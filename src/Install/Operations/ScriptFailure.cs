using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>Why an operation failed, when a script of it ended otherwise than it should.</summary>
internal static class ScriptFailure
{
    /// <summary>The error for an end.</summary>
    /// <param name="reports">Cleans what the script's side says.</param>
    /// <param name="what">Which script failed.</param>
    /// <param name="end">How it ended.</param>
    /// <param name="words">The last line of its error output; empty: there was none.</param>
    /// <param name="hint">What may have been the cause, behind a semicolon; empty: nothing is known.</param>
    /// <param name="kernel">What the kernel of its appliance said of that; empty: nothing.</param>
    public static ChannelException Of(OperationReports reports, string what, ScriptEnded end, string words, string hint, string kernel = "")
    {
        var how = end.Signal != 0 ? $"ended by signal {end.Signal}" : $"exit code {end.Code}";
        string[] why = [how, reports.Clean(end.Reason, ScriptLimits.MaxText), reports.Clean(kernel, ScriptLimits.MaxText)];
        return new ChannelException(ChannelError.FailedPrecondition, ErrorClass.MayHaveRun,
            $"{what} ({string.Join(", ", why.Where(w => w.Length > 0))}){hint}{(words.Length > 0 ? $"; its last words: {words}" : "")}");
    }

    /// <summary>The hint for a half without a disk, which often says no more than how its programs are called.</summary>
    public static string HintOf(OperationPlan plan) => plan.Request.Disks.Count == 0 ? "; it was given no disk" : "";

    /// <summary>Whether somebody has killed it; a shell tells of its program's signal by its exit code.</summary>
    public static bool IsKilled(ScriptEnded end) => end.Signal == Abi.SIGKILL || end.Code == 128 + Abi.SIGKILL;
}
