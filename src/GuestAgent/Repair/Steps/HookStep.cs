using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>A program of the image's, for what it alone knows of. One whose name ends in ".required" is mandatory.</summary>
internal sealed class HookStep : RepairStep
{
    private readonly HookFolder _folder;
    private readonly string? _hook;
    private readonly string _error;

    private HookStep(HookFolder folder, string? hook, string error) : base(hook is null ? "hooks" : "hook " + Path.GetFileName(hook)) =>
        (_folder, _hook, _error) = (folder, hook, error);

    /// <summary>A step for each hook, in their order. If they cannot be listed, that is a step that fails.</summary>
    public static IEnumerable<RepairStep> Of(HookFolder folder)
    {
        try
        {
            return folder.List().Select(hook => new HookStep(folder, hook, ""));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [new HookStep(folder, null, $"the folder cannot be listed: {FileFault.Describe(e)}")];
        }
    }

    // If it is not known which there are, one may be.
    public override bool IsMandatory(RepairRun run) => _hook is null || _hook.EndsWith(".required", StringComparison.Ordinal);

    public override StepEnd Do(RepairRun run)
    {
        if (_hook is null)
        {
            return StepEnd.Failed(_error);
        }

        var origin = run.Request.Origin == SnapshotOrigin.Cloned ? "cloned" : "restored";
        var result = _folder.Run(_hook, [origin, Convert.ToHexStringLower(run.Generation)], run.MustStop);
        var output = result.Output.Trim();
        return result switch
        {
            { TimedOut: true } => StepEnd.Failed($"it was killed after {result.ElapsedMs} ms: {output}"),
            { ExitCode: 0 } => StepEnd.Done(output),
            _ => StepEnd.Failed($"it ended with {result.ExitCode}: {output}"),
        };
    }
}
