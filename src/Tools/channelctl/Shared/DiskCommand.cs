using System.Diagnostics;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Shared;

/// <summary>The administrator's command that copies the disks of an instance.</summary>
internal static class DiskCommand
{
    /// <summary>Runs it to its end.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: it failed.</exception>
    public static async Task RunAsync(string line, string instance, string snapshot, IReadOnlyList<TargetDisk> disks, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", line]);
        (start.Environment["INSTANCE"], start.Environment["SNAPSHOT"]) = (instance, snapshot);
        start.Environment["DISK_COUNT"] = FormattableString.Invariant($"{disks.Count}");
        foreach (var (index, disk) in disks.Index())
        {
            start.Environment[FormattableString.Invariant($"DISK_{index}_PATH")] = disk.Path;
        }

        using var process = Process.Start(start)!;
        try
        {
            await process.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        if (process.ExitCode != 0)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"the command that copies the disks of {instance} ended with code {process.ExitCode}, so there is no snapshot");
        }
    }
}
