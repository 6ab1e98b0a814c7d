using System.Diagnostics;
using ChannelSdk.Host;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Transports.Faulty;

namespace ChannelSdk.Bench.Data;

/// <summary>A way to move the bytes, and the copy that it is measured against, the way over links with faults. Both say how long they took, and have checked the bytes.</summary>
internal sealed record DataRow(string Name, bool IsToHost, Func<Task<TimeSpan>> Copy, Func<FaultPlan, Task<TimeSpan>> Move);

/// <summary>The operations and copies of a bench, in one appliance.</summary>
internal sealed class DataWork
{
    /// <summary>The definition whose halves move the bytes between each other, and its instance.</summary>
    private const string Streams = "streams";

    private readonly KeptAppliance _appliance;
    private readonly DataDisks _disks;
    private readonly Installer _installer;

    public DataWork(KeptAppliance appliance, DataDisks disks, string folder)
    {
        (_appliance, _disks) = (appliance, disks);
        var records = new InstanceRecordStore(Path.Combine(folder, "records"));
        records.Put(new InstanceRecord { Name = "vm1", Mode = ExecutionMode.Install, OsDefinition = "data" });
        records.Put(new InstanceRecord { Name = Streams, Mode = ExecutionMode.Install, OsDefinition = Streams });
        Write(folder, "data/untrusted/export", "cat $EXPORT_DEVICE");
        // As a copy does, it ends when the disk has flushed its own cache too; a close does not do that.
        Write(folder, "data/untrusted/import", "dd of=$IMPORT_DEVICE bs=128k conv=fsync 2>/dev/null");
        Write(folder, $"{Streams}/export", $"channelctl half receive --stream --timeout 60 > {disks.Dump}");
        Write(folder, $"{Streams}/untrusted/export", "channel-agent send --stream --timeout 60 < $DISK_0_PATH");
        Write(folder, $"{Streams}/import", $"channelctl half send --stream --timeout 60 < {disks.Dump}");
        Write(folder, $"{Streams}/untrusted/import", "channel-agent receive --stream --timeout 60 | dd of=$DISK_0_PATH bs=128k conv=fsync 2>/dev/null");
        _installer = new Installer(new InstallerOptions
        {
            Folder = Path.Combine(folder, "state"),
            Records = records,
            Definitions = new DefinitionCatalog(Path.Combine(folder, "definitions")),
            Launcher = appliance,
            // channelctl is built beside this program.
            TrustedPath = $"{AppContext.BaseDirectory}:{InstallerOptions.DefaultPath}",
        });
        Rows =
        [
            new DataRow("export", IsToHost: true, CopyOutAsync, faults => MoveAsync(InstallAction.Export, _disks.Dump, faults)),
            new DataRow("import", IsToHost: false, CopyInAsync, faults => MoveAsync(InstallAction.Import, _disks.Disk, faults)),
            new DataRow("stream to the host", IsToHost: true, CopyOutAsync, faults => MoveAsync(InstallAction.Export, _disks.Dump, faults, Streams)),
            new DataRow("stream to the appliance", IsToHost: false, CopyInAsync, faults => MoveAsync(InstallAction.Import, _disks.Disk, faults, Streams)),
        ];
    }

    public IReadOnlyList<DataRow> Rows { get; }

    private Task<TimeSpan> CopyOutAsync() => TimedAsync(_disks.Dump, instance => instance.Files.CopyOutAsync("/mnt/out", _disks.Dump, new FileCopyOptions { Overwrite = true }));

    private Task<TimeSpan> CopyInAsync() => TimedAsync(null, instance => instance.Files.CopyInAsync(_disks.Dump, "/mnt/in", new FileCopyOptions()));

    private async Task<TimeSpan> TimedAsync(string? written, Func<Instance, Task<FileCopyResult>> copy)
    {
        var time = await _appliance.AttachAsync(async instance =>
        {
            var start = Stopwatch.GetTimestamp();
            await copy(instance);
            return Stopwatch.GetElapsedTime(start);
        });
        // A copy in is checked by its hash.
        await (written is null ? Task.CompletedTask : _disks.CheckAsync(written));
        return time;
    }

    private async Task<TimeSpan> MoveAsync(InstallAction action, string written, FaultPlan faults, string instance = "vm1")
    {
        if (action == InstallAction.Import)
        {
            // What stands there is not what shall come.
            await _appliance.ShellAsync("dd if=/dev/zero of=/dev/vda bs=1M count=1 2>/dev/null");
        }

        _appliance.Faults = faults;
        var isStream = instance == Streams;
        var request = new InstallRequest { Instance = instance, Action = action, Disks = [new TargetDisk(_disks.Disk)], Data = isStream ? [] : [DiskData.InFile(_disks.Dump)] };
        var result = await _installer.Start(request).Completion;
        if (result.Outcome != InstallOutcome.Succeeded || !isStream && result.Data[0].Sha256 != _disks.Sha256)
        {
            throw new InvalidOperationException($"the {action} has failed, or other bytes: {result.Reason}");
        }

        await _disks.CheckAsync(written);
        return result.Times.Single(t => t.Key == InstallPhase.Running).Value;
    }

    private static void Write(string folder, string name, string command)
    {
        var path = Path.Combine(folder, "definitions", name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, $"#!/bin/sh\nset -e\nPATH=$PATH:/bin:/sbin\n{command}\n");
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
    }
}
