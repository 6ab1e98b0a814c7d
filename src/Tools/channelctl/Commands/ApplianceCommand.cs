using System.CommandLine;
using System.Diagnostics;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl appliance build: by the script that goes with this program, which needs Debian's tools.</summary>
internal static class ApplianceCommand
{
    // The first of them is in the source tree, above this program, and builds the agent too.
    private const string SourceScript = "scripts/build-appliance.sh";
    private const string OwnScript = "appliance/build.sh";
    private const string AgentName = "channel-agent";

    public static Command Create()
    {
        var kind = ToolOptions.Choice<string>("--kind", "What it has: busybox and what partitions and formats disks, all in memory (small), or a Debian (debian); without it small", ("small", "small"), ("debian", "debian"));
        var output = ToolOptions.Path("--output", $"Folder of the appliance; in the source tree by default .cache/appliance or .cache/debian-appliance");
        var hooks = new Option<string[]>("--hooks") { Description = "Folder with programs that change the appliance's root folder; may be given several times" };
        var agent = ToolOptions.Path("--agent", $"The agent's file; by default {AgentName} beside this program, and in the source tree it is built");
        var cache = ToolOptions.Path("--cache", "Folder for the packages that are fetched; by default ~/.cache/channelsdk, and in the source tree .cache");
        var packages = ToolOptions.Path("--lock", "A packages.lock of another appliance, whose packages this one is made of");
        var mirrors = new Option<string[]>("--mirror") { Description = "Where packages are fetched from in place of http://deb.debian.org/debian and /debian-security; may be given several times" };
        var update = ToolOptions.Flag("--update", "Take the newest packages; without it those of the last time");
        var script = ToolOptions.Path("--script", $"Path of the script to run; by default {OwnScript} beside this program, and in the source tree {SourceScript}");
        var build = new Command("build", "Makes an appliance of Debian packages and the agent. Nothing is done if its inputs are the same as last time.")
        {
            kind, output, hooks, agent, cache, packages, mirrors, update, script,
        };
        build.SetAction((parsed, cancel) => StateOption.RunAsync(() => BuildAsync(parsed.GetValue(script) ?? Find(),
        [
            .. Option("--kind", parsed.GetValue(kind)), .. Option("--output", parsed.GetValue(output)), .. Option("--agent", parsed.GetValue(agent) ?? Beside()),
            .. Option("--cache", parsed.GetValue(cache)), .. Option("--lock", parsed.GetValue(packages)), .. (parsed.GetValue(update) ? ["--update"] : Array.Empty<string>()),
            .. (parsed.GetValue(mirrors) ?? []).SelectMany(url => Option("--mirror", url)), .. (parsed.GetValue(hooks) ?? []).SelectMany(folder => Option("--hooks", folder)),
        ], cancel)));
        return new Command("appliance", "Makes appliances, in which the untrusted halves of installs run.") { build };
    }

    private static string[] Option(string name, string? value) => value is null ? [] : [name, value];

    private static async Task<int> BuildAsync(string script, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        using var process = Start(script, arguments);
        try
        {
            await process.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        return process.ExitCode == 0 ? ExitCode.Ok : ExitCode.Failed;
    }

    private static Process Start(string script, IEnumerable<string> arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(script, arguments))!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{script} cannot be started: {FileFault.Describe(e)}", e);
        }
    }

    private static string? Beside() => Path.Combine(AppContext.BaseDirectory, AgentName) is var agent && File.Exists(agent) ? agent : null;

    private static string Find()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, SourceScript)))
            {
                return Path.Combine(folder, SourceScript);
            }
        }

        return Path.Combine(AppContext.BaseDirectory, OwnScript);
    }
}
