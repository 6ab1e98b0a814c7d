using System.IO.Compression;
using System.IO.Hashing;
using System.Security.Cryptography;
using ChannelSdk.Channels;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>The data of disks between a half in an appliance and their places on the host.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class DataTests
{
    [Fact]
    public async Task An_export_brings_the_data_of_each_disk_into_its_file_while_the_other_half_runs_once()
    {
        byte[][] contents = [RandomNumberGenerator.GetBytes(1_000_001), []];
        var disks = new FakeDisks(isExport: true, contents) { TellsSize = true };
        using var rig = Rig(disks.Appliance, "export");
        rig.Write("os/export", "#!/bin/sh\necho \"half $EXPORT_DEVICE\"; channelctl half progress 50\n");
        string[] files = [rig.At("a.dump"), rig.At("b.dump")];
        File.WriteAllText(files[0], "a former one");
        var (result, events) = await rig.RunAsync(r => Request(rig, r, InstallAction.Export, [.. files.Select(f => DiskData.InFile(f))]));
        Assert.Equal((InstallOutcome.Succeeded, ""), (result.Outcome, result.Reason));
        Assert.Equal(["/dev/vda", "/dev/vdb"], disks.Devices);
        Assert.Equal(contents.Select((c, i) => new MovedData(i, c.Length, Hash(c))), result.Data);
        Assert.Equal(contents, files.Select(File.ReadAllBytes));
        Assert.All(files, f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
        Assert.Contains(events, e => e is DataMovedEvent { Disk: 0, Sha256: null, Total: 1_000_001 });
        Assert.Contains(events, e => e is DataMovedEvent { Disk: 0, Bytes: 1_000_001 } moved && moved.Sha256 == Hash(contents[0]));
        Assert.Single(events, e => e is OutputEvent { Text: "half " });
        Assert.Contains($"disk 0: 1000001 bytes, sha256 {Hash(contents[0])}", File.ReadAllText(result.LogFile));
        AssertNoPart(rig);
    }

    [Fact]
    public async Task An_import_gives_the_half_in_the_appliance_the_data_of_each_disk()
    {
        byte[][] contents = [RandomNumberGenerator.GetBytes(1_000_001), []];
        var disks = new FakeDisks(isExport: false, [], []);
        using var rig = Rig(disks.Appliance, "import");
        string[] files = [rig.At("a.dump"), rig.At("b.dump")];
        foreach (var (file, content) in files.Zip(contents))
        {
            File.WriteAllBytes(file, content);
        }

        var (result, events) = await rig.RunAsync(r => Request(rig, r, InstallAction.Import, [.. files.Select(f => DiskData.InFile(f))]));
        Assert.Equal((InstallOutcome.Succeeded, ""), (result.Outcome, result.Reason));
        Assert.Equal(contents, disks.Contents);
        Assert.Equal(contents.Select((c, i) => new MovedData(i, c.Length, Hash(c))), result.Data);
        Assert.Contains(events, e => e is DataMovedEvent { Disk: 0, Sha256: null, Total: 1_000_001 });
    }

    [Fact]
    public async Task Gzip_is_made_and_undone_on_the_host()
    {
        var content = RandomNumberGenerator.GetBytes(300_000);
        using var packed = new MemoryStream();
        var export = new FakeDisks(isExport: true, content);
        using (var rig = Rig(export.Appliance, "export"))
        {
            var (result, _) = await rig.RunAsync(r => Request(rig, r, InstallAction.Export, DiskData.OnStream(packed, DataCompression.Gzip)));
            Assert.Equal("", result.Reason);
            Assert.Equal([new MovedData(0, content.Length, Hash(content))], result.Data);
        }

        using var unpacked = new MemoryStream();
        new GZipStream(new MemoryStream(packed.ToArray()), CompressionMode.Decompress).CopyTo(unpacked);
        Assert.Equal(content, unpacked.ToArray());
        var whole = packed.ToArray();
        (byte[] Packed, byte[]? Unpacked)[] cases =
        [
            (whole, content), ([.. whole, .. whole], [.. content, .. content]),
            // Cut in the middle, in the sum at the end, before the sum; no gzip; nothing.
            (whole[..^100_000], null), (whole[..^2], null), (whole[..^8], null), (content, null), ([], null),
        ];
        foreach (var (bytes, expected) in cases)
        {
            var import = new FakeDisks(isExport: false, Array.Empty<byte>());
            using var rig = Rig(import.Appliance, "import");
            var (result, _) = await rig.RunAsync(r => Request(rig, r, InstallAction.Import, DiskData.OnStream(new MemoryStream(bytes), DataCompression.Gzip)));
            Assert.Equal(expected is not null ? "" : "a stream with the data of a disk cannot be read: it is no whole gzip data", result.Reason);
            Assert.Equal(expected ?? [], import.Contents[0]);
        }
    }

    [Fact]
    public async Task Data_that_is_another_at_its_two_ends_fails_the_operation_and_leaves_the_former_file()
    {
        foreach (var lie in (Action<DataEnd>[])[e => e.Bytes++, e => e.Hash++])
        {
            var disks = new FakeDisks(isExport: true, [1, 2, 3]) { Lie = lie };
            using var rig = Rig(disks.Appliance, "export");
            File.WriteAllText(rig.At("a.dump"), "a former one");
            var (result, _) = await rig.RunAsync(r => Request(rig, r, InstallAction.Export, DiskData.InFile(rig.At("a.dump"))));
            Assert.Equal(InstallOutcome.Failed, result.Outcome);
            Assert.Contains("the data of disk 0 is another at its two ends: 3 bytes with the XXH3 ", result.Reason);
            Assert.Empty(result.Data);
            Assert.Equal("a former one", File.ReadAllText(rig.At("a.dump")));
            AssertNoPart(rig);
        }
    }

    public static TheoryData<string, string> Lies => new()
    {
        { "twice", "told that the data was moved of disk 0, which does not belong there" },
        { "other disk", "told that the data was moved of disk 1, which does not belong there" },
        { "size twice", "told how large the data will be of disk 0, which does not belong there" },
        { "nonsense", "sent a DataEnd that cannot be decoded" },
        { "kind", "kind 40" },
        { "ready twice", "told twice that its half can be called" },
        { "end", "ended the operation without telling how its half has ended" },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task An_appliance_that_tells_of_data_what_does_not_belong_there_fails_the_operation(string lie, string reason)
    {
        var good = new DataEnd { Hash = XxHash3.HashToUInt64([]) };
        var appliance = new FakeAppliance(async script =>
        {
            await Task.Delay(Timeout.Infinite, script.Ended);
            return InstallRig.Well;
        })
        {
            Data = async (_, data, run, cancel) =>
            {
                switch (lie)
                {
                    case "twice":
                        await run.WriteAsync(InstallMessage.DataEnd, good);
                        await run.WriteAsync(InstallMessage.DataEnd, good);
                        break;
                    case "other disk":
                        await run.WriteAsync(InstallMessage.DataEnd, new DataEnd(good) { Index = 1 });
                        break;
                    case "size twice":
                        await run.WriteAsync(InstallMessage.DataSize, new DataSize { Bytes = ulong.MaxValue });
                        await run.WriteAsync(InstallMessage.DataSize, new DataSize());
                        break;
                    case "nonsense":
                        await run.WriteAsync(InstallMessage.DataEnd, new byte[] { 0xFF });
                        break;
                    case "ready twice":
                        await run.WriteAsync(InstallMessage.DataReady, ReadOnlyMemory<byte>.Empty);
                        break;
                    case "kind":
                        await run.WriteAsync((InstallMessage)40, new byte[1]);
                        break;
                    default:
                        await run.CompleteAsync();
                        break;
                }

                await Task.Delay(Timeout.Infinite, cancel);
            },
        };
        using var rig = Rig(appliance, "export");
        var (result, _) = await rig.RunAsync(r => Request(rig, r, InstallAction.Export, DiskData.InFile(rig.At("a.dump"))));
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains(reason, result.Reason);
        Assert.False(File.Exists(rig.At("a.dump")));
        AssertNoPart(rig);
    }

    [Fact]
    public async Task Word_of_data_in_an_operation_that_moves_none_breaks_the_contract()
    {
        using var rig = new InstallRig(async script =>
        {
            await script.Stream.WriteAsync(InstallMessage.DataEnd, new DataEnd());
            await Task.Delay(Timeout.Infinite, script.Ended);
            return InstallRig.Well;
        });
        Assert.Contains("kind 37", (await rig.RunAsync()).Result.Reason);
    }

    [Fact]
    public async Task A_message_on_the_stream_of_an_imports_data_breaks_the_contract()
    {
        var appliance = new FakeAppliance(async script =>
        {
            await Task.Delay(Timeout.Infinite, script.Ended);
            return InstallRig.Well;
        })
        {
            Data = async (_, data, _, cancel) => await data.WriteAsync(new byte[1], cancel),
        };
        using var rig = Rig(appliance, "import");
        var (result, _) = await rig.RunAsync(r => Request(rig, r, InstallAction.Import, DiskData.OnStream(new MemoryStream([1]))));
        Assert.Contains("on the stream of an import's data, where none belongs", result.Reason);
    }

    [Theory]
    [InlineData(InstallAction.Export)]
    [InlineData(InstallAction.Import)]
    public async Task A_half_that_fails_in_the_middle_says_why_and_leaves_no_file(InstallAction action)
    {
        var failing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var appliance = new FakeAppliance(async script =>
        {
            await failing.Task.WaitAsync(script.Ended);
            return InstallWire.Ended(7, 0, "");
        })
        {
            Data = async (_, data, _, cancel) =>
            {
                if (action == InstallAction.Export)
                {
                    await data.WriteAsync(new byte[100_000], cancel);
                }

                failing.SetResult();
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.MayHaveRun, "the script of disk 0 failed");
            },
        };
        using var rig = Rig(appliance, action == InstallAction.Export ? "export" : "import");
        var data = action == InstallAction.Export ? DiskData.InFile(rig.At("a.dump")) : DiskData.OnStream(new MemoryStream(new byte[10_000_000]));
        var (result, _) = await rig.RunAsync(r => Request(rig, r, action, data));
        Assert.Equal("the half in the appliance failed (exit code 7)", result.Reason);
        Assert.False(File.Exists(rig.At("a.dump")));
        AssertNoPart(rig);
    }

    [Fact]
    public async Task A_place_that_takes_no_more_fails_the_operation_and_says_why()
    {
        var disks = new FakeDisks(isExport: true, new byte[1_000_000]);
        using var rig = Rig(disks.Appliance, "export");
        using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var (result, _) = await rig.RunAsync(r => Request(rig, r, InstallAction.Export, DiskData.OnStream(full)));
        Assert.Equal("a stream with the data of a disk cannot be written: no space left on device", result.Reason);
    }

    [Fact]
    public async Task A_place_that_keeps_an_operation_waiting_does_not_keep_it_from_its_deadline()
    {
        foreach (var action in (InstallAction[])[InstallAction.Export, InstallAction.Import])
        {
            var disks = new FakeDisks(action == InstallAction.Export, new byte[1_000_000]);
            using var rig = Rig(disks.Appliance, action == InstallAction.Export ? "export" : "import");
            rig.Deadline = TimeSpan.FromSeconds(2);
            var (result, _) = await rig.RunAsync(r => Request(rig, r, action, DiskData.OnStream(new StuckStream())));
            Assert.Equal((InstallOutcome.TimedOut, "the deadline of 2 s passed in the phase Running"), (result.Outcome, result.Reason));
        }
    }

    [Fact]
    public void What_can_be_checked_of_data_is_checked_before_an_appliance_is_started()
    {
        using var rig = Rig(new FakeDisks(isExport: true).Appliance, "export");
        rig.Write("os/untrusted/import", "#!/bin/sh\n");
        Directory.CreateDirectory(rig.At("folder"));
        Assert.All(
            ((InstallAction, DiskData[], string)[])
            [
                (InstallAction.Create, [DiskData.InFile("x")], "a create moves no data of disks"),
                (InstallAction.Export, [DiskData.InFile("x"), DiskData.InFile("y")], "there are 1 disks and 2 places for their data"),
                (InstallAction.Export, [DiskData.InFile(rig.At("folder"))], "is a folder"),
                (InstallAction.Export, [DiskData.InFile(rig.At("none", "x"))], "there is no folder for"),
                (InstallAction.Export, [DiskData.InFile("/dev/null")], "is no regular file"),
                (InstallAction.Export, [DiskData.OnStream(new MemoryStream([], writable: false))], "cannot be written"),
                (InstallAction.Import, [DiskData.InFile(rig.At("none"))], "there is no file"),
            ],
            wrong =>
            {
                var (action, data, text) = wrong;
                var e = Assert.Throws<ChannelException>(() => rig.Start(r => r with { Action = action, Data = data }));
                Assert.Equal(ChannelError.BadConfiguration, e.Code);
                Assert.Contains(text, e.Message);
            });
        Assert.Equal(0, rig.Appliance!.Launches);
        foreach (var url in (string[])["file:///x", "ftp://x/y", "http://u:p@x/y", "x"])
        {
            Assert.Equal(ChannelError.BadConfiguration, Assert.Throws<ChannelException>(() => DiskData.AtUrl(url)).Code);
        }
    }

    private static InstallRig Rig(FakeAppliance appliance, string action)
    {
        var rig = new InstallRig { Appliance = appliance };
        rig.Write($"os/untrusted/{action}", "#!/bin/sh\n");
        return rig;
    }

    /// <summary>A disk for each place.</summary>
    private static InstallRequest Request(InstallRig rig, InstallRequest request, InstallAction action, params DiskData[] data) =>
        request with { Action = action, Data = data, Disks = [.. data.Select(_ => new TargetDisk(rig.Disk))] };

    private static string Hash(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private static void AssertNoPart(InstallRig rig) => Assert.DoesNotContain(rig.Files(), f => f.Path.EndsWith(".tmp", StringComparison.Ordinal));

    /// <summary>Neither takes nor gives anything.</summary>
    private sealed class StuckStream : MemoryStream
    {
        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => await new TaskCompletionSource().Task;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await new TaskCompletionSource().Task;
            return 0;
        }
    }
}
