using System.CommandLine;
using System.Diagnostics;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl appliance build: by the script of this project, which needs Debian's tools.</summary>
internal static class ApplianceCommand
{
    private const string ScriptName = "scripts/build-appliance.sh";

    public static Command Create()
    {
        var output = ToolOptions.Path("--output", "Folder of the appliance: vmlinuz and initrd; by default .cache/appliance beside the script's folder");
        var hooks = new Option<string[]>("--hooks") { Description = "Folder with programs that change the appliance's root folder; may be given several times" };
        var agent = ToolOptions.Path("--agent", "The agent's file; by default it is built");
        var script = ToolOptions.Path("--script", $"Path of {ScriptName}; by default it is looked for above this program");
        var build = new Command("build", "Makes an appliance of Debian packages and the agent. Nothing is done if its inputs are the same as last time.") { output, hooks, agent, script };
        build.SetAction((parsed, cancel) => StateOption.RunAsync(() => BuildAsync(parsed.GetValue(script) ?? Find(),
        [
            .. Option("--output", parsed.GetValue(output)), .. Option("--agent", parsed.GetValue(agent)),
            .. (parsed.GetValue(hooks) ?? []).SelectMany(folder => Option("--hooks", folder)),
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

    private static string Find()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, ScriptName)))
            {
                return Path.Combine(folder, ScriptName);
            }
        }

        throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{ScriptName} is not above {AppContext.BaseDirectory}; give its path with --script");
    }
}
