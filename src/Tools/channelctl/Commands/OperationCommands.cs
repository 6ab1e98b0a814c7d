using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Operations;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl install watch, list, log: operations of this and of other processes.</summary>
internal static class OperationCommands
{
    public static Command Watch()
    {
        var after = ToolOptions.Number("--after", "Cursor of the last event that is known already", 0, 0, long.MaxValue);
        var json = ToolOptions.Flag("--json", "Print the events as JSON, one a line");
        var command = new Command("watch", "Shows an operation from its begin, or from behind a cursor, to its end; exits as the operation does.") { after, json };
        return Of(command, Operation(), async (installer, operation, parsed, cancel) =>
            await InstallView.ShowAsync(installer.WatchAsync(operation, parsed.GetValue(after), cancel), parsed.GetValue(json)) is { } result ? ExitCode.Of(result.Outcome) : ExitCode.Failed);
    }

    public static Command Log() => Of(new Command("log", "Prints the log of an operation."), Operation(), async (installer, operation, parsed, cancel) =>
    {
        await using var file = new FileStream(installer.LogOf(operation), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        await file.CopyToAsync(ToolStreams.Of(parsed).StandardOutput, cancel);
        return ExitCode.Ok;
    });

    public static Command List() => Of(new Command("list", "Prints the operations, the newest first: name, instance, action, outcome, reason."), null, (installer, _, _, _) =>
    {
        foreach (var operation in installer.List())
        {
            Console.WriteLine($"{operation.Operation} {operation.Instance} {operation.Action.ToString().ToLowerInvariant()} {operation.Started:u} {operation.Outcome?.ToString() ?? "running"} {operation.Reason}".TrimEnd());
        }

        return Task.FromResult(ExitCode.Ok);
    });

    private static Argument<string> Operation() => new("OPERATION") { Description = "Name of the operation, or its beginning" };

    private static Command Of(Command command, Argument<string>? operation, Func<Installer, string, ParseResult, CancellationToken, Task<int>> action)
    {
        var state = StateOption.Create();
        command.Add(state);
        if (operation is not null)
        {
            command.Add(operation);
        }

        command.SetAction((parsed, cancel) => StateOption.RunAsync(() =>
        {
            var folder = parsed.GetValue(state)!;
            var installer = new Installer(new InstallerOptions { Folder = folder, Records = StateOption.Records(folder), Definitions = new DefinitionCatalog(folder) });
            return action(installer, operation is null ? "" : parsed.GetValue(operation)!, parsed, cancel);
        }));
        return command;
    }
}
