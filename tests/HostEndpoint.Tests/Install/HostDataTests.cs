using System.Security.Cryptography;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Processes;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>The data of disks where the definition has a half on the host only: that is called for each disk.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class HostDataTests
{
    private const int Large = 3_000_001;

    [Fact]
    public async Task A_half_on_the_host_is_called_once_for_each_disk_of_an_export()
    {
        using var rig = new InstallRig();
        byte[][] contents = [RandomNumberGenerator.GetBytes(Large), RandomNumberGenerator.GetBytes(10)];
        TargetDisk[] disks = [.. contents.Select((c, i) => Disk(rig, $"disk{i}", c))];
        rig.Write("os/export", """
            #!/bin/sh
            stat -c %s "$EXPORT_DEVICE" >&"$EXP_SIZE_FD"
            echo "$EXPORT_INDEX $EXPORT_DEVICE $EXPORT_DISK_PATH $IMPORT_DEVICE$(cat)" >&2
            channelctl half progress 50 "$EXPORT_INDEX"
            cat "$EXPORT_DEVICE"
            """);
        DiskData[] places = [DiskData.InFile(rig.At("a.dump")), DiskData.InFile(rig.At("b.dump"))];
        var (result, events) = await rig.RunAsync(r => r with { Action = InstallAction.Export, Disks = disks, Data = places });
        Assert.Equal("", result.Reason);
        Assert.Equal(contents, [File.ReadAllBytes(rig.At("a.dump")), File.ReadAllBytes(rig.At("b.dump"))]);
        Assert.Equal(contents.Select((c, i) => new MovedData(i, c.Length, Convert.ToHexStringLower(SHA256.HashData(c)))), result.Data);
        Assert.Equal([$"0 {disks[0].Path} {disks[0].Path} ", $"1 {disks[1].Path} {disks[1].Path} "], events.OfType<OutputEvent>().Select(e => e.Text));
        Assert.Equal(["0", "1"], events.OfType<ProgressMadeEvent>().Select(e => e.Text));
        Assert.Contains(events, e => e is DataMovedEvent { Disk: 0, Sha256: null, Total: Large });
    }

    [Fact]
    public async Task A_half_on_the_host_is_called_once_for_each_disk_of_an_import()
    {
        using var rig = new InstallRig();
        byte[][] contents = [RandomNumberGenerator.GetBytes(Large), []];
        TargetDisk[] disks = [Disk(rig, "disk0", []), Disk(rig, "disk1", [])];
        rig.Write("os/import", "#!/bin/sh\necho \"$IMPORT_INDEX $IMPORT_DEVICE $EXP_SIZE_FD\"\ncat > \"$IMPORT_DEVICE\"\n");
        var (result, events) = await rig.RunAsync(r => r with
        {
            Action = InstallAction.Import,
            Disks = disks,
            Data = [.. contents.Select(c => DiskData.OnStream(new MemoryStream(c)))],
        });
        Assert.Equal("", result.Reason);
        Assert.Equal(contents, disks.Select(d => File.ReadAllBytes(d.Path)));
        Assert.Equal(contents.Select(c => (long)c.Length), result.Data.Select(d => d.Bytes));
        Assert.Equal([$"0 {disks[0].Path} ", $"1 {disks[1].Path} "], events.OfType<OutputEvent>().Select(e => e.Text));
    }

    [Theory]
    [InlineData(InstallAction.Export, "head -c 200000 /dev/zero; echo broken >&2; exit 7", "(exit code 7); its last words: broken")]
    [InlineData(InstallAction.Import, "head -c 10 > /dev/null; exit 7", "(exit code 7)")]
    [InlineData(InstallAction.Import, "head -c 10 > /dev/null", "(exit code 0, the script of disk 0 has not read all of its data, and ended without an error)")]
    [InlineData(InstallAction.Import, "exec 0<&-; exec true", "(exit code 0, the script of disk 0 has not read all of its data, and ended without an error)")]
    public async Task A_call_that_fails_ends_the_sequence_and_leaves_no_file(InstallAction action, string script, string reason)
    {
        using var rig = new InstallRig();
        rig.Write($"os/{OsDefinition.ScriptName(action)}", $"#!/bin/sh\necho \"call $IMPORT_INDEX$EXPORT_INDEX\" >&2\n{script}\n");
        DiskData[] places = action == InstallAction.Export ? [DiskData.InFile(rig.At("a.dump")), DiskData.InFile(rig.At("b.dump"))]
            : [DiskData.OnStream(new MemoryStream(new byte[Large])), DiskData.OnStream(new MemoryStream(new byte[Large]))];
        var (result, events) = await rig.RunAsync(r => r with { Action = action, Disks = [new TargetDisk(rig.Disk), new TargetDisk(rig.Disk)], Data = places });
        Assert.StartsWith("the half on the host failed " + reason, result.Reason);
        Assert.Equal("call 0", events.OfType<OutputEvent>().First().Text);
        Assert.DoesNotContain(events, e => e is OutputEvent { Text: "call 1" });
        Assert.Empty(Directory.EnumerateFiles(rig.At(), "*.dump*"));
    }

    [Fact]
    public async Task A_small_import_that_its_script_leaves_in_the_pipe_is_not_good()
    {
        using var rig = new InstallRig();
        using var source = new EndTellingStream([1, 2, 3]);
        rig.Write("os/import", $"#!/bin/sh\nuntil [ -e '{rig.At("go")}' ]; do sleep 0.01; done\n");
        var running = rig.RunAsync(r => r with { Action = InstallAction.Import, Data = [DiskData.OnStream(source)] });
        await source.Ended.Task.WaitAsync(InstallRig.Soon);
        File.WriteAllText(rig.At("go"), "");
        Assert.Contains("has not read all of its data", (await running).Result.Reason);
    }

    [Fact]
    public async Task An_import_that_knows_where_its_data_ends_need_not_wait_for_the_end()
    {
        using var rig = new InstallRig();
        rig.Write("os/import", "#!/bin/sh\nhead -c 1000 | wc -c\n");
        var (result, events) = await rig.RunAsync(r => r with { Action = InstallAction.Import, Data = [DiskData.OnStream(new MemoryStream(new byte[1000]))] });
        Assert.Equal("", result.Reason);
        Assert.Contains(events, e => e is OutputEvent { Text: "1000" });
    }

    [Fact]
    public async Task A_place_that_fails_ends_the_script()
    {
        using var rig = new InstallRig();
        rig.Write("os/export", "#!/bin/sh\nexec cat /dev/zero\n");
        using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var operation = rig.Start(r => r with { Action = InstallAction.Export, Data = [DiskData.OnStream(full)] });
        var result = await operation.Completion.WaitAsync(InstallRig.Soon);
        Assert.Equal("a stream with the data of a disk cannot be written: no space left on device", result.Reason);
        Assert.Empty(OperationProcesses.Find(operation.Id));
    }

    [Fact]
    public async Task A_cancelled_export_leaves_no_file_and_no_process()
    {
        using var rig = new InstallRig();
        rig.Write("os/export", "#!/bin/sh\nexec cat /dev/zero\n");
        var operation = rig.Start(r => r with { Action = InstallAction.Export, Data = [DiskData.InFile(rig.At("a.dump"))] });
        await foreach (var next in operation.Events.ReadAsync(0, InstallRig.Soon))
        {
            if (next is DataMovedEvent { Bytes: > 0 })
            {
                operation.Cancel();
            }
        }

        Assert.Equal(InstallOutcome.Cancelled, (await operation.Completion.WaitAsync(InstallRig.Soon)).Outcome);
        Assert.Empty(Directory.EnumerateFiles(rig.At(), "*a.dump*"));
        Assert.Empty(OperationProcesses.Find(operation.Id));
    }

    private static TargetDisk Disk(InstallRig rig, string name, byte[] content)
    {
        File.WriteAllBytes(rig.At(name), content);
        return new TargetDisk(rig.At(name));
    }

    /// <summary>Tells when its end was read.</summary>
    private sealed class EndTellingStream(byte[] content) : MemoryStream(content)
    {
        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await base.ReadAsync(buffer, cancellationToken);
            if (count == 0)
            {
                Ended.TrySetResult();
            }

            return count;
        }
    }
}
