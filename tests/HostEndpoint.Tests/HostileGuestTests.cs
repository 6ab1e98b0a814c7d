using System.IO.Hashing;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using ChannelSdk.Services.Files;
using Google.Protobuf;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>What a guest that lies in its files and programs can do to its host: fail its own call, and leave nothing.</summary>
public sealed class HostileGuestTests : IDisposable
{
    private const int Block = ContentHash.BlockSize;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-test-");

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public void Dispose() => _folder.Delete(recursive: true);

    private static FileStat Regular(ulong size) => new() { Kind = FileKind.Regular, Size = size };

    private static byte[] Record(FileRecordKind kind, long offset, long length, ulong hash, byte[]? data = null)
    {
        var message = new byte[FileRecord.HeaderSize + (data?.Length ?? 0)];
        data?.CopyTo(message, FileRecord.HeaderSize);
        new FileRecord(kind, offset, length, hash, false).WriteTo(message);
        return message;
    }

    public static TheoryData<string, ChannelError, byte[][]> Lies()
    {
        var block = new byte[Block];
        var good = Record(FileRecordKind.Data, 0, Block, XxHash3.HashToUInt64(block), block);
        return new()
        {
            { "nothing at all", ChannelError.InvalidArgument, [] },
            { "facts that do not decode", ChannelError.InvalidArgument, [[0xFF, 0xFF, 0xFF]] },
            { "a size beyond the bound", ChannelError.ResourceExhausted, [Regular((1UL << 36) + 1).ToByteArray()] },
            { "a size beyond all bounds", ChannelError.ResourceExhausted, [Regular(ulong.MaxValue).ToByteArray()] },
            { "an end too early", ChannelError.CorruptFrame, [Regular(2 * Block).ToByteArray(), good] },
            { "an end record too early", ChannelError.InvalidArgument, [Regular(2 * Block).ToByteArray(), good, Record(FileRecordKind.End, Block, 0, 0)] },
            { "a block with another hash", ChannelError.CorruptFrame, [Regular(Block).ToByteArray(), Record(FileRecordKind.Data, 0, Block, 1, block)] },
            { "a whole with another hash", ChannelError.CorruptFrame, [Regular(Block).ToByteArray(), good, Record(FileRecordKind.End, Block, 0, 1)] },
            { "a block twice", ChannelError.InvalidArgument, [Regular(2 * Block).ToByteArray(), good, good] },
            { "a block twice in one message", ChannelError.InvalidArgument, [Regular(2 * Block).ToByteArray(), [.. good, .. good]] },
            { "a second record that is cut short", ChannelError.InvalidArgument, [Regular(2 * Block).ToByteArray(), [.. good, .. Record(FileRecordKind.Data, Block, Block, 0)]] },
            { "half a header behind a record", ChannelError.InvalidArgument, [Regular(2 * Block).ToByteArray(), [.. good, .. good[..12]]] },
            { "a byte behind the end", ChannelError.InvalidArgument, [Regular(Block).ToByteArray(), good, [.. Record(FileRecordKind.End, Block, 0, 0), 0]] },
            { "an empty message", ChannelError.InvalidArgument, [Regular(Block).ToByteArray(), [], good] },
            { "a hole beyond the end", ChannelError.InvalidArgument, [Regular(2 * Block).ToByteArray(), good, Record(FileRecordKind.Hole, Block, 1L << 60, 0)] },
            { "a block beyond the end", ChannelError.InvalidArgument, [Regular(100).ToByteArray(), good] },
            { "noise", ChannelError.InvalidArgument, [Regular(100).ToByteArray(), [1, 2, 3]] },
        };
    }

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task A_copy_out_that_is_a_lie_fails_and_leaves_nothing(string lie, ChannelError code, byte[][] messages)
    {
        await using var guest = new GuestDouble(services => services.Stream(FilesMethods.Read, async (_, stream, context) =>
        {
            foreach (var message in messages)
            {
                await stream.WriteAsync(message, context.CancellationToken);
            }
        }));
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);

        var error = await Assert.ThrowsAsync<ChannelException>(() => instance.Files.CopyOutAsync("/x", Path.Combine(_folder.FullName, "copy"), cancellationToken: Soon));

        Assert.True(code == error.Code, $"{lie}: {error.Code}, {error.Message}");
        Assert.Empty(Directory.GetFileSystemEntries(_folder.FullName));
        await instance.Info.PingAsync(Soon);
    }

    public static TheoryData<ChannelError, byte[][]> Answers() => new()
    {
        { ChannelError.InvalidArgument, [] },
        { ChannelError.InvalidArgument, [[0xFF, 0xFF]] },
        { ChannelError.InvalidArgument, [new FileWriteReady { Offset = 7 }.ToByteArray()] },
        { ChannelError.InvalidArgument, [new FileWriteReady { Offset = ulong.MaxValue }.ToByteArray()] },
        { ChannelError.InvalidArgument, [new FileWriteReady { IsComplete = true }.ToByteArray()] },
        { ChannelError.CorruptFrame, [new FileWriteReady().ToByteArray(), new FileWriteReport { Hash = 1, Size = 3 }.ToByteArray()] },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task A_copy_in_that_is_answered_with_a_lie_fails(ChannelError code, byte[][] messages)
    {
        var source = Path.Combine(_folder.FullName, "source");
        await File.WriteAllTextAsync(source, "abc");
        await using var guest = new GuestDouble(services => services.Stream(FilesMethods.Write, async (_, stream, context) =>
        {
            foreach (var message in messages)
            {
                await stream.WriteAsync(message, context.CancellationToken);
            }
        }));
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);

        var error = await Assert.ThrowsAsync<ChannelException>(() => instance.Files.CopyInAsync(source, "/x", cancellationToken: Soon));

        Assert.Equal(code, error.Code);
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("/etc/passwd")]
    [InlineData("a\0")]
    public async Task A_listing_with_a_name_that_leads_elsewhere_fails(string name)
    {
        await using var guest = new GuestDouble(services => services.Stream(FilesMethods.List, async (_, stream, context) =>
        {
            var list = new FileList { Entries = { new FileEntry { Name = ByteString.CopyFromUtf8(name) } } };
            await stream.WriteAsync(list.ToByteArray(), context.CancellationToken);
        }));
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);

        var error = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Files.ListAsync("/x", Soon).ToListAsync());

        Assert.Equal(ChannelError.InvalidArgument, error.Code);
    }

    public static TheoryData<byte[][]> Runs()
    {
        byte[] impossible = [4, .. new ExecExited { Code = 4_000_000_000 }.ToByteArray()];
        var runs = new TheoryData<byte[][]>();
        foreach (var messages in (byte[][][])[[], [[]], [[9]], [[3, 0xFF]], [[3]], [[3], [9]], [[3], [4, 0xFF]], [[3], impossible]])
        {
            runs.Add(messages);
        }

        return runs;
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public async Task A_run_that_is_a_lie_fails(byte[][] messages)
    {
        await using var guest = new GuestDouble(services => services.Stream(ExecMethods.Run, async (_, stream, context) =>
        {
            foreach (var message in messages)
            {
                await stream.WriteAsync(message, context.CancellationToken);
            }
        }));
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);

        var error = await Assert.ThrowsAsync<ChannelException>(() => instance.Exec.RunAsync(new ExecOptions { Command = ["x"] }, cancellationToken: Soon));

        Assert.Equal(ChannelError.InvalidArgument, error.Code);
    }
}
