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
    public static ChannelException Of(OperationReports reports, string what, ScriptEnded end, string words)
    {
        var how = end.Signal != 0 ? $"ended by signal {end.Signal}" : $"exit code {end.Code}";
        var why = end.Reason.Length > 0 ? $"{how}, {reports.Clean(end.Reason, ScriptLimits.MaxText)}" : how;
        return new ChannelException(ChannelError.FailedPrecondition, ErrorClass.MayHaveRun, $"{what} ({why}){(words.Length > 0 ? $"; its last words: {words}" : "")}");
    }
}
