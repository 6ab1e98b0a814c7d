using System.CommandLine;
using System.Diagnostics;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using Spectre.Console;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl cp</summary>
internal static class CopyCommand
{
    private const string GuestPrefix = "guest:";
    private const string Standard = "-";

    public static Command Create()
    {
        var overwrite = ToolOptions.Flag("--overwrite", "Replace a file at the destination");
        var preserve = ToolOptions.Flag("--preserve", "Keep mode, owner and modification time", "-p");
        var live = ToolOptions.Flag("--live", "Take a file that changes meanwhile as it is");
        var command = new Command("cp", "Copies a file out of or into the guest; goes on after a lost link or agent.") { overwrite, preserve, live };
        var session = new AttachedInstance(command);
        var source = new Argument<string>("SOURCE") { Description = $"A path on this host, - for standard input, or {GuestPrefix}/PATH" };
        var destination = new Argument<string>("DESTINATION") { Description = $"A path on this host, - for standard output, or {GuestPrefix}/PATH" };
        command.Add(source);
        command.Add(destination);
        command.Validators.Add(result =>
        {
            if (IsGuest(result.GetValue(source)) == IsGuest(result.GetValue(destination)))
            {
                result.AddError($"one of the two paths is the guest's and begins with {GuestPrefix}");
            }

            foreach (var why in new[] { source, destination }.Select(a => ToolOptions.WhyNoPath(result.GetValue(a) ?? "")).OfType<string>())
            {
                result.AddError($"a path {why}");
            }
        });
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            var keep = parsed.GetValue(preserve);
            var options = new FileCopyOptions
            {
                Overwrite = parsed.GetValue(overwrite),
                KeepMode = keep,
                KeepOwner = keep,
                KeepTime = keep,
                AllowChange = parsed.GetValue(live),
            };
            var start = Stopwatch.GetTimestamp();
            var (from, to, streams) = (parsed.GetValue(source)!, parsed.GetValue(destination)!, ToolStreams.Of(parsed));
            // What is told must not mix with a file that goes to standard output.
            var told = to == Standard ? Console.Error : Console.Out;
            // A copy goes on after a lost session and is checked as a whole, for which both sides need a file.
            using var spool = from == Standard || to == Standard ? new SpoolFile() : null;
            if (from == Standard)
            {
                await spool!.FillAsync(streams.StandardInput, cancel);
            }

            var result = await SilenceLimit.RunAsync(session.GivenTimeout(parsed), (gotOn, soon) =>
                WithProgressAsync(told, gotOn, progress => CopyAsync(instance.Files, from, to, spool?.Path, options, progress, soon)), cancel);
            if (to == Standard)
            {
                await spool!.EmptyAsync(streams.StandardOutput, cancel);
            }

            var time = Stopwatch.GetElapsedTime(start);
            var resumed = result.Resumes == 0 ? "" : $", went on {result.Resumes} times after a lost session";
            told.WriteLine(FormattableString.Invariant(
                $"{result.Bytes} bytes ({result.DataBytes} travelled) in {time.TotalSeconds:F3} s, {result.Bytes / time.TotalSeconds / 1e6:F1} MB/s, hash {result.Hash:x16}{resumed}"));
        }, token));
        return command;
    }

    private static async Task<FileCopyResult> CopyAsync(
        FileClient files, string source, string destination, string? spool, FileCopyOptions options, IProgress<FileProgress> progress, CancellationToken cancel)
    {
        if (source == Standard)
        {
            if (await IsFolderAsync(files, destination[GuestPrefix.Length..], cancel))
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{SafeText.Escape(destination)} is a folder and standard input has no name: give the file's; a file that is named - is ./-");
            }

            return await files.CopyInAsync(spool!, destination[GuestPrefix.Length..], options, progress, cancel);
        }

        if (destination == Standard)
        {
            return await files.CopyOutAsync(source[GuestPrefix.Length..], spool!, options with { Overwrite = true }, progress, cancel);
        }

        if (IsGuest(source))
        {
            var path = source[GuestPrefix.Length..];
            var local = Directory.Exists(destination) ? Path.Combine(destination, NameOf(path)) : destination;
            return await files.CopyOutAsync(path, local, options, progress, cancel);
        }

        var inGuest = destination[GuestPrefix.Length..];
        return await files.CopyInAsync(source, await IsFolderAsync(files, inGuest, cancel) ? $"{inGuest.TrimEnd('/')}/{NameOf(source)}" : inGuest, options, progress, cancel);
    }

    private static async Task<bool> IsFolderAsync(FileClient files, string path, CancellationToken cancel)
    {
        if (path.EndsWith('/'))
        {
            return true;
        }

        try
        {
            return (await files.StatAsync(path, cancel)).Kind == FileKind.Folder;
        }
        catch (ChannelException e) when (e.Class == ErrorClass.Refused)
        {
            // There is nothing yet, or the policy lets it be written and not looked at: the copy itself tells what is wrong.
            return false;
        }
    }

    private static string NameOf(string path) => Path.GetFileName(path) is { Length: > 0 } name
        ? name
        : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"'{path}' names no file");

    private static bool IsGuest(string? path) => path?.StartsWith(GuestPrefix, StringComparison.Ordinal) ?? false;

    private static async Task<FileCopyResult> WithProgressAsync(TextWriter told, Action gotOn, Func<IProgress<FileProgress>, Task<FileCopyResult>> copy)
    {
        if (Console.IsOutputRedirected || told != Console.Out)
        {
            return await copy(new Quarters(told, gotOn));
        }

        return await AnsiConsole.Progress()
            .Columns(new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
            .StartAsync(context => copy(new Bar(context.AddTask("cp"), gotOn)));
    }

    /// <summary>Told at once, on the copy's own thread.</summary>
    private sealed class Bar(ProgressTask task, Action gotOn) : IProgress<FileProgress>
    {
        public void Report(FileProgress value)
        {
            gotOn();
            (task.MaxValue, task.Value) = (Math.Max(1, value.Total), value.Bytes);
        }
    }

    /// <summary>A line for each quarter, where there is no terminal to draw on.</summary>
    private sealed class Quarters(TextWriter told, Action gotOn) : IProgress<FileProgress>
    {
        private long _told;

        public void Report(FileProgress value)
        {
            gotOn();
            var quarter = (long)(value.Bytes * 4.0 / Math.Max(1, value.Total));
            if (quarter > _told)
            {
                _told = quarter;
                told.WriteLine(FormattableString.Invariant($"{quarter * 25} % of {value.Total} bytes"));
            }
        }
    }
}
