using System.Collections.Concurrent;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>The hooks of one freeze: which ran, and so are due to thaw.</summary>
/// <param name="hooks">The hooks as the configuration has them now.</param>
/// <param name="log">The log.</param>
internal sealed class FreezeHooks(Func<HookFolder> hooks, AgentLog log)
{
    private static readonly TimeSpan s_margin = TimeSpan.FromSeconds(5);
    private readonly ConcurrentStack<string> _due = [];
    private HookFolder? _hooks;
    private string? _kind;

    /// <summary>Whether any ran that was not told of the thaw.</summary>
    public bool AreDue => !_due.IsEmpty;

    /// <summary>Runs them with "freeze", until one fails.</summary>
    /// <param name="kind">Kind of the snapshot, their second argument; null for none.</param>
    /// <param name="setStep">Takes what is being done, for a person.</param>
    /// <param name="mustStop">Whether the freeze is called off.</param>
    /// <param name="isLate">Whether the lease is over.</param>
    /// <param name="report">Gets their results.</param>
    /// <returns>Why it failed, or null.</returns>
    public string? Freeze(string? kind, Action<string> setStep, Func<bool> mustStop, Func<bool> isLate, FreezeReport report)
    {
        setStep("the list of the hooks");
        (_hooks, _kind) = (hooks(), kind);
        IReadOnlyList<string> list;
        try
        {
            list = _hooks.List();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"the hooks cannot be listed: {e.Message}";
        }

        foreach (var hook in list)
        {
            if (mustStop())
            {
                return "called off";
            }

            setStep($"hook {hook}");
            _due.Push(hook);
            var result = Run(hook, "freeze", () => mustStop() || isLate());
            report.Hooks.Add(result);
            if (result.ExitCode != 0 || result.TimedOut)
            {
                return $"hook {result.Name} {(result.TimedOut ? "took too long" : $"ended with code {result.ExitCode}")}";
            }
        }

        return null;
    }

    /// <summary>Runs those that are due with "thaw", in reverse.</summary>
    /// <param name="report">Gets their results.</param>
    public void Thaw(FreezeReport report)
    {
        while (_due.TryPop(out var hook))
        {
            report.Hooks.Add(Thaw(hook));
        }
    }

    /// <summary>Makes all due, as a predecessor that was killed did not run them.</summary>
    /// <param name="kind">Kind of the snapshot that it told them; null for none.</param>
    public void MakeDue(string? kind)
    {
        (_hooks, _kind) = (hooks(), kind);
        foreach (var hook in _hooks.List())
        {
            _due.Push(hook);
        }
    }

    // A program on a file system that does not answer cannot even be started: there is no wait for it.
    private HookResult Thaw(string hook)
    {
        var result = new HookResult();
        try
        {
            var work = DetachableWork.Start(() => result = Run(hook, "thaw", static () => false), static () => { });
            return work.Wait(static () => true, _hooks!.Limit + s_margin) ? result
                : new HookResult { Name = LogText.Escape(Path.GetFileName(hook), 255), TimedOut = true, Output = "it cannot be started: its file system does not answer" };
        }
        catch (Exception e)
        {
            log.Warning($"hook {hook} thaw: {e.Message}");
            return result;
        }
    }

    private HookResult Run(string hook, string argument, Func<bool> mustStop)
    {
        var result = _hooks!.Run(hook, _kind is null ? [argument] : [argument, _kind], mustStop);
        if (result.ExitCode != 0 || result.TimedOut)
        {
            log.Warning($"hook {result.Name} {argument}: code {result.ExitCode}{(result.TimedOut ? ", killed" : "")}: {result.Output}");
        }

        return result;
    }
}
