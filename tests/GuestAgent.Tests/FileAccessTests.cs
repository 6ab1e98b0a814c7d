using System.IO.Hashing;
using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Host.Files;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>What a host is not let do with files, and what becomes of a copy that goes wrong.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class FileAccessTests
{
    private static readonly byte[] s_transfer = new byte[16];

    [Theory]
    [InlineData(null, "[files] write")]
    [InlineData("/srv", "[files] write")]
    public async Task Writing_is_denied_where_the_image_does_not_allow_it(string? allowed, string reason)
    {
        await using var rig = new AgentRig(policy: rig => AgentRig.Files(rig.Guest, allowed));
        var local = Path.Combine(rig.Local, "source");
        await File.WriteAllTextAsync(local, "x");

        var e = await FailAsync(() => rig.Instance.Files.CopyInAsync(local, Path.Combine(rig.Guest, "new"), cancellationToken: rig.Soon));

        Assert.Equal(ChannelError.PermissionDenied, e.Code);
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(rig.Guest));
    }

    [Fact]
    public async Task Reading_outside_of_the_allowed_folders_is_denied_in_every_way()
    {
        await using var rig = new AgentRig();
        Directory.CreateDirectory(rig.Guest + "-beside");
        foreach (var path in (string[])["/etc/passwd", rig.Guest + "-beside", "/"])
        {
            Assert.Equal(ChannelError.PermissionDenied, (await FailAsync(async () => await rig.Instance.Files.StatAsync(path, rig.Soon))).Code);
            Assert.Equal(ChannelError.PermissionDenied, (await FailAsync(async () => await rig.Instance.Files.ListAsync(path, rig.Soon).ToListAsync())).Code);
            Assert.Equal(ChannelError.PermissionDenied, (await FailAsync(() => rig.Instance.Files.CopyOutAsync(path, Path.Combine(rig.Local, "x"), cancellationToken: rig.Soon))).Code);
        }

        foreach (var path in (string[])[$"{rig.Guest}/../x", $"{rig.Guest}/./x", $"{rig.Guest}//x", "relative", "", $"{rig.Guest}/a\0b", $"{rig.Guest}/", $"/{new string('n', 256)}", "/" + new string('/', 5000)])
        {
            Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(async () => await rig.Instance.Files.StatAsync(path, rig.Soon))).Code);
        }

        Directory.Delete(rig.Guest + "-beside");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task No_link_leads_out_of_the_allowed_folder(bool withoutOpenAt2)
    {
        PathOpener.WithoutOpenAt2 = withoutOpenAt2;
        try
        {
            await using var rig = new AgentRig();
            string outside = Path.Combine(rig.Local, "secret"), local = Path.Combine(rig.Local, "source");
            await File.WriteAllTextAsync(outside, "secret");
            await File.WriteAllTextAsync(local, "x");
            File.CreateSymbolicLink(Path.Combine(rig.Guest, "file"), outside);
            Directory.CreateSymbolicLink(Path.Combine(rig.Guest, "folder"), rig.Local);
            Directory.CreateDirectory(Path.Combine(rig.Guest, "real"));
            FileCopyOptions overwrite = new() { Overwrite = true };

            foreach (var path in (string[])["file", "folder/secret"])
            {
                var e = await FailAsync(() => rig.Instance.Files.CopyOutAsync(Path.Combine(rig.Guest, path), Path.Combine(rig.Local, "x"), cancellationToken: rig.Soon));
                Assert.Equal(ChannelError.PermissionDenied, e.Code);
                Assert.Contains("symbolic link", e.Message, StringComparison.Ordinal);
            }

            Assert.Equal(ChannelError.PermissionDenied, (await FailAsync(() => rig.Instance.Files.CopyInAsync(local, Path.Combine(rig.Guest, "folder/new"), cancellationToken: rig.Soon))).Code);
            Assert.Equal(ChannelError.PermissionDenied, (await FailAsync(async () => await rig.Instance.Files.ListAsync(Path.Combine(rig.Guest, "folder"), rig.Soon).ToListAsync())).Code);
            Assert.Equal(ChannelError.FailedPrecondition, (await FailAsync(() => rig.Instance.Files.CopyInAsync(local, Path.Combine(rig.Guest, "file"), overwrite, cancellationToken: rig.Soon))).Code);
            var link = await rig.Instance.Files.StatAsync(Path.Combine(rig.Guest, "file"), rig.Soon);
            Assert.Equal((Host.Files.FileKind.Link, outside), (link.Kind, link.LinkTarget.ToString()));
            await rig.Instance.Files.CopyInAsync(local, Path.Combine(rig.Guest, "real/new"), cancellationToken: rig.Soon);
            Assert.Equal("secret", await File.ReadAllTextAsync(outside));
        }
        finally
        {
            PathOpener.WithoutOpenAt2 = false;
        }
    }

    [Fact]
    public async Task A_folder_that_becomes_a_link_again_and_again_never_gives_a_file_outside()
    {
        await using var rig = new AgentRig();
        string real = Path.Combine(rig.Guest, "real"), link = Path.Combine(rig.Guest, "link"), at = Path.Combine(rig.Guest, "at");
        Directory.CreateDirectory(real);
        await File.WriteAllTextAsync(Path.Combine(real, "file"), "allowed");
        await File.WriteAllTextAsync(Path.Combine(rig.Local, "file"), "SECRET");
        Directory.CreateSymbolicLink(link, rig.Local);
        using var stop = new CancellationTokenSource();
        var racing = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                Directory.Move(real, at);
                Directory.Move(at, real);
                Directory.Move(link, at);
                Directory.Move(at, link);
            }
        });
        var got = 0;
        for (var i = 0; i < 300; i++)
        {
            var copy = Path.Combine(rig.Local, $"copy{i}");
            try
            {
                await rig.Instance.Files.CopyOutAsync(Path.Combine(at, "file"), copy, cancellationToken: rig.Soon);
                Assert.Equal("allowed", await File.ReadAllTextAsync(copy));
                got++;
            }
            catch (ChannelException e)
            {
                Assert.True(e.Code is ChannelError.NotFound or ChannelError.PermissionDenied, e.Message);
            }
        }

        await stop.CancelAsync();
        await racing;
        Assert.True(got > 0, "the race was never won by the real folder");
    }

    [Fact]
    public async Task Only_regular_files_with_a_size_are_copied()
    {
        await using var rig = new AgentRig(policy: rig => AgentRig.Files("/", rig.Guest));
        Assert.Equal(0, await ChildProcess.RunAsync("/bin/mknod", Path.Combine(rig.Guest, "pipe"), "p"));
        foreach (var (path, code, what) in ((string, ChannelError, string)[])
        [
            (rig.Guest, ChannelError.FailedPrecondition, "folder"),
            (Path.Combine(rig.Guest, "pipe"), ChannelError.FailedPrecondition, "pipe"),
            ("/dev/null", ChannelError.FailedPrecondition, "device"),
            ("/proc/version", ChannelError.Unsupported, "no size"),
            (Path.Combine(rig.Guest, "missing"), ChannelError.NotFound, "does not exist"),
            (Path.Combine(rig.Guest, "pipe/x"), ChannelError.NotFound, "not a folder"),
        ])
        {
            var e = await FailAsync(() => rig.Instance.Files.CopyOutAsync(path, Path.Combine(rig.Local, "x"), cancellationToken: rig.Soon));
            Assert.Equal(code, e.Code);
            Assert.Contains(what, e.Message, StringComparison.Ordinal);
        }

        Assert.Empty(Directory.GetFileSystemEntries(rig.Local));
    }

    [Fact]
    public async Task A_disk_without_room_is_told_before_anything_is_written()
    {
        await using var rig = new AgentRig();
        await using var stream = await OpenWriteAsync(rig, new FileWriteRequest { Size = 1UL << 43 });

        var e = await FailAsync(() => stream.ReadAsync(rig.Soon).AsTask());

        Assert.Equal(ChannelError.ResourceExhausted, e.Code);
        Assert.Contains("left", e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(rig.Guest));
    }

    [Fact]
    public async Task A_disk_that_fills_in_mid_copy_is_told_and_keeps_no_half_file()
    {
        await using var rig = new AgentRig();
        Assert.Equal(0, await ChildProcess.RunAsync("/bin/mount", "-t", "tmpfs", "-o", "size=2m", "small", rig.Guest));
        try
        {
            await using var stream = await OpenWriteAsync(rig, new FileWriteRequest { Size = 4 << 20, DataBytes = 1 });
            using (await stream.ReadAsync(rig.Soon))
            {
            }

            var e = await FailAsync(async () =>
            {
                for (long offset = 0; offset < 4 << 20; offset += ContentHash.BlockSize)
                {
                    await stream.WriteAsync(Record(offset, new byte[ContentHash.BlockSize]), rig.Soon);
                }

                using var _ = await stream.ReadAsync(rig.Soon);
            });

            Assert.Equal(ChannelError.ResourceExhausted, e.Code);
            Assert.Contains("disk is full", e.Message, StringComparison.Ordinal);
            Assert.Empty(Directory.GetFileSystemEntries(rig.Guest));
        }
        finally
        {
            Assert.Equal(0, await ChildProcess.RunAsync("/bin/umount", rig.Guest));
        }
    }

    [Theory]
    [InlineData(ChannelError.CorruptFrame, 0, true)]
    [InlineData(ChannelError.InvalidArgument, 1, false)]
    [InlineData(ChannelError.InvalidArgument, 0, false)]
    public async Task Content_that_is_wrong_is_refused_and_keeps_no_half_file(ChannelError code, long offset, bool badHash)
    {
        await using var rig = new AgentRig();
        await using var stream = await OpenWriteAsync(rig, new FileWriteRequest { Size = 1000 });
        using (await stream.ReadAsync(rig.Soon))
        {
        }

        var message = Record(offset, new byte[badHash ? 1000 : 999]);
        message[20] ^= badHash ? (byte)1 : (byte)0;
        await stream.WriteAsync(message, rig.Soon);

        Assert.Equal(code, (await FailAsync(() => stream.ReadAsync(rig.Soon).AsTask())).Code);
        Assert.Empty(Directory.GetFileSystemEntries(rig.Guest));
    }

    [Fact]
    public async Task Bad_requests_are_refused()
    {
        await using var rig = new AgentRig();
        foreach (var request in (FileWriteRequest[])
        [
            new() { Size = 1, Transfer = ByteString.CopyFrom(new byte[15]) },
            new() { Size = 1UL << 45 },
            new() { Size = ulong.MaxValue },
            new() { Size = 1, Mode = 0x1000 },
        ])
        {
            await using var stream = await OpenWriteAsync(rig, request);
            Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(() => stream.ReadAsync(rig.Soon).AsTask())).Code);
        }

        var path = ByteString.CopyFromUtf8(rig.NewFile("file", 1000));
        foreach (var request in (FileReadRequest[])[new() { Path = path, Offset = 1000 }, new() { Path = path, Offset = ulong.MaxValue, Expect = new Protocol.Services.FileStat() }])
        {
            await using var stream = await rig.Instance.Channel.OpenStreamAsync(FilesMethods.Read, request, default, rig.Soon);
            Assert.True((await FailAsync(() => stream.ReadAsync(rig.Soon).AsTask())).Code is ChannelError.InvalidArgument or ChannelError.FailedPrecondition);
        }
    }

    [Fact]
    public async Task What_a_transfer_of_the_day_before_left_is_removed_with_the_next_one()
    {
        await using var rig = new AgentRig();
        string old = rig.NewFile($".channel-{new string('a', 32)}.part", 10), fresh = rig.NewFile($".channel-{new string('b', 32)}.part", 10), other = rig.NewFile(".channel-x.part", 10);
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddDays(-2));
        File.SetLastWriteTimeUtc(other, DateTime.UtcNow.AddDays(-2));
        var local = Path.Combine(rig.Local, "source");
        await File.WriteAllTextAsync(local, "x");

        await rig.Instance.Files.CopyInAsync(local, Path.Combine(rig.Guest, "new"), cancellationToken: rig.Soon);

        Assert.Equal([fresh, other, Path.Combine(rig.Guest, "new")], Directory.GetFileSystemEntries(rig.Guest).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_write_is_told_in_the_log_with_its_name_made_safe()
    {
        await using var rig = new AgentRig();
        var local = Path.Combine(rig.Local, "source");
        await File.WriteAllTextAsync(local, "x");
        await rig.Instance.Files.CopyInAsync(local, $"{rig.Guest}/a\nb", cancellationToken: rig.Soon);
        Assert.Contains(rig.Lines, line => line.Contains("a\\u000ab, 1 bytes", StringComparison.Ordinal));
    }

    private static async Task<ChannelStream> OpenWriteAsync(AgentRig rig, FileWriteRequest request)
    {
        request.Path = ByteString.CopyFrom(Encoding.UTF8.GetBytes(Path.Combine(rig.Guest, "new")));
        request.Transfer = request.Transfer.IsEmpty ? ByteString.CopyFrom(s_transfer) : request.Transfer;
        return await rig.Instance.Channel.OpenStreamAsync(FilesMethods.Write, request, default, rig.Soon);
    }

    private static byte[] Record(long offset, byte[] block)
    {
        var message = new byte[FileRecord.HeaderSize + block.Length];
        block.CopyTo(message, FileRecord.HeaderSize);
        new FileRecord(FileRecordKind.Data, offset, block.Length, XxHash3.HashToUInt64(block), false).WriteTo(message);
        return message;
    }

    private static Task<ChannelException> FailAsync(Func<Task> action) => Assert.ThrowsAsync<ChannelException>(action);
}
