using System.CommandLine;
using System.Diagnostics;
using ChannelSdk.HostEndpoint.Services;
using ChannelSdk.Protocol;
using Spectre.Console;

namespace ChannelSdk.Tool.Commands;

/// <summary>channelctl cp</summary>
internal static class CopyCommand
{
    private const string GuestPrefix = "guest:";

    public static Command Create()
    {
        var overwrite = new Option<bool>("--overwrite") { Description = "Replace a file at the destination" };
        var preserve = new Option<bool>("--preserve", "-p") { Description = "Keep mode, owner and modification time" };
        var live = new Option<bool>("--live") { Description = "Take a file that changes meanwhile as it is" };
        var command = new Command("cp", "Copies a file out of or into the guest; goes on after a lost link or agent.") { overwrite, preserve, live };
        var session = new Session(command);
        var source = new Argument<string>("SOURCE") { Description = $"A path on this host, or {GuestPrefix}/PATH" };
        var destination = new Argument<string>("DESTINATION") { Description = $"A path on this host, or {GuestPrefix}/PATH" };
        command.Add(source);
        command.Add(destination);
        command.Validators.Add(result =>
        {
            if (IsGuest(result.GetValue(source)) == IsGuest(result.GetValue(destination)))
            {
                result.AddError($"one of the two paths is the guest's and begins with {GuestPrefix}");
            }
        });
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            var keep = parsed.GetValue(preserve);
            var options = new FileCopyOptions
            {
                Overwrite = parsed.GetValue(overwrite), KeepMode = keep, KeepOwner = keep, KeepTime = keep, AllowChange = parsed.GetValue(live),
            };
            var start = Stopwatch.GetTimestamp();
            var result = await WithProgressAsync(progress => CopyAsync(instance.Files, parsed.GetValue(source)!, parsed.GetValue(destination)!, options, progress, cancel));
            var time = Stopwatch.GetElapsedTime(start);
            var resumed = result.Resumes == 0 ? "" : $", went on {result.Resumes} times after a lost session";
            Console.WriteLine(FormattableString.Invariant(
                $"{result.Bytes} bytes ({result.DataBytes} travelled) in {time.TotalSeconds:F3} s, {result.Bytes / time.TotalSeconds / 1e6:F1} MB/s, hash {result.Hash:x16}{resumed}"));
        }, token));
        return command;
    }

    private static Task<FileCopyResult> CopyAsync(
        FileClient files, string source, string destination, FileCopyOptions options, IProgress<FileProgress> progress, CancellationToken cancel)
    {
        if (IsGuest(source))
        {
            var path = source[GuestPrefix.Length..];
            var local = Directory.Exists(destination) ? Path.Combine(destination, NameOf(path)) : destination;
            return files.CopyOutAsync(path, local, options, progress, cancel);
        }

        var inGuest = destination[GuestPrefix.Length..];
        return files.CopyInAsync(source, inGuest.EndsWith('/') ? inGuest + NameOf(source) : inGuest, options, progress, cancel);
    }

    private static string NameOf(string path) => Path.GetFileName(path) is { Length: > 0 } name
        ? name
        : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"'{path}' names no file");

    private static bool IsGuest(string? path) => path?.StartsWith(GuestPrefix, StringComparison.Ordinal) ?? false;

    private static async Task<FileCopyResult> WithProgressAsync(Func<IProgress<FileProgress>, Task<FileCopyResult>> copy)
    {
        if (Console.IsOutputRedirected)
        {
            return await copy(new Quarters());
        }

        return await AnsiConsole.Progress()
            .Columns(new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
            .StartAsync(context => copy(new Bar(context.AddTask("cp"))));
    }

    /// <summary>Told at once, on the copy's own thread.</summary>
    private sealed class Bar(ProgressTask task) : IProgress<FileProgress>
    {
        public void Report(FileProgress value) => (task.MaxValue, task.Value) = (Math.Max(1, value.Total), value.Bytes);
    }

    /// <summary>A line for each quarter, where there is no terminal to draw on.</summary>
    private sealed class Quarters : IProgress<FileProgress>
    {
        private long _told;

        public void Report(FileProgress value)
        {
            var quarter = value.Bytes * 4 / Math.Max(1, value.Total);
            if (quarter > _told)
            {
                _told = quarter;
                Console.WriteLine(FormattableString.Invariant($"{quarter * 25} % of {value.Total} bytes"));
            }
        }
    }
}
