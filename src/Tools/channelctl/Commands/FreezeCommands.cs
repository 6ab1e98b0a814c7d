using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Freeze;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl freeze, thaw</summary>
internal static class FreezeCommands
{
    public static Command CreateFreeze(ToolSignals signals)
    {
        var lease = ToolOptions.Seconds("--lease", "Seconds after which the guest thaws by itself", 60, 1, 86_400);
        var mounts = new Option<string[]>("--mount") { Description = "A mount point; may be given several times; none: all file systems" };
        var linkLoss = ToolOptions.Seconds("--link-loss", "Seconds without a link to this session after which it thaws; the session ends with this command", 0.001, 86_400);
        var renew = ToolOptions.Flag("--renew", "Prolong the lease of a guest that is frozen");
        var hold = ToolOptions.Flag("--hold", "Stay, renew the lease, and thaw when standard input ends or on a signal; a kill leaves the rest of the lease");
        var command = new Command("freeze", "Freezes the guest's file systems for a snapshot, under a lease.") { lease, mounts, linkLoss, renew, hold };
        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            if (instance.Agent == AgentKind.QemuGuestAgent && !parsed.GetValue(hold))
            {
                throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused,
                    "this guest has only the QEMU guest agent, which keeps no lease: its freeze lasts as long as this command, so give --hold");
            }

            var length = TimeSpan.FromSeconds(parsed.GetValue(lease));
            try
            {
                Print(parsed.GetValue(renew)
                    ? await instance.Freeze.RenewAsync(length, cancel)
                    : await instance.Freeze.FreezeAsync(length, parsed.GetValue(mounts), parsed.GetValue(linkLoss) is { } s ? TimeSpan.FromSeconds(s) : null, cancel));
            }
            catch (FreezeFailedException e)
            {
                Print(e.Report);
                throw;
            }

            if (parsed.GetValue(hold))
            {
                // The thaw is worth waiting for.
                signals.Grace = null;
                await HoldAsync(instance, length, ToolStreams.Of(parsed).StandardInput, cancel);
            }
        }, token));
        return command;
    }

    private static async Task HoldAsync(Instance instance, TimeSpan lease, Stream input, CancellationToken cancel)
    {
        var ended = input.CopyToAsync(Stream.Null, CancellationToken.None);
        try
        {
            while (await Task.WhenAny(ended, Task.Delay(lease / 3, cancel)) != ended && !cancel.IsCancellationRequested)
            {
                await instance.Freeze.RenewAsync(lease, cancel);
            }
        }
        catch (OperationCanceledException)
        {
            // Thawed below as well.
        }

        Print(await instance.Freeze.ThawAsync(cancellationToken: CancellationToken.None));
    }

    public static Command CreateThaw()
    {
        var force = ToolOptions.Flag("--force", "Thaw every file system, also those that another program froze");
        var command = new Command("thaw", "Thaws the guest's file systems; fails if the lease had ended before.") { force };
        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(
            parsed, async (instance, cancel) => Print(await instance.Freeze.ThawAsync(parsed.GetValue(force), cancel)), token));
        return command;
    }

    private static void Print(FreezeReport report)
    {
        foreach (var hook in report.Hooks)
        {
            Console.WriteLine($"hook {SafeText.Escape(hook.Name)}: {(hook.TimedOut ? "killed" : $"code {hook.ExitCode}")} {SafeText.Escape(hook.Output)}".TrimEnd());
        }

        foreach (var mount in report.Mounts)
        {
            Console.WriteLine($"{SafeText.Escape(mount.Mount)} ({SafeText.Escape(mount.Type)}): {mount.Outcome} {SafeText.Escape(mount.Reason)}".TrimEnd());
        }

        Console.WriteLine(report.State == FreezeState.Frozen
            ? FormattableString.Invariant($"frozen, thaws by itself in {report.Left.TotalSeconds:0.0} s")
            : $"{report.State.ToString().ToLowerInvariant()}; {SafeText.Escape(report.LastEnd)}");
    }
}
