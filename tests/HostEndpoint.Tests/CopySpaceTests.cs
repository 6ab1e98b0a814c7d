using System.IO.Hashing;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Files;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Google.Protobuf;
using FileKind = ChannelSdk.Protocol.Services.FileKind;
using FileStat = ChannelSdk.Protocol.Services.FileStat;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Copies from a guest that would fill the disk of its host.</summary>
public sealed class CopySpaceTests : IDisposable
{
    private const long Size = 64 << 20;
    private readonly TestFolder _folder = new();
    private long _sent;
    private ulong _claim;

    public void Dispose() => _folder.Dispose();

    // By default a guest that says that nothing of its file is on its disk, and sends all of it.
    private async ValueTask ServeAsync(ChannelStream stream, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(new FileStat { Kind = FileKind.Regular, Size = Size, AllocatedBytes = _claim }.ToByteArray(), cancellationToken);
        var message = new byte[FileRecord.MaxLength];
        var hash = XxHash3.HashToUInt64(message.AsSpan(FileRecord.HeaderSize));
        for (; _sent < Size; _sent += ContentHash.BlockSize)
        {
            new FileRecord(FileRecordKind.Data, _sent, ContentHash.BlockSize, hash, false).WriteTo(message);
            await stream.WriteAsync(message, cancellationToken);
        }
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 16 << 20)]
    public async Task A_copy_is_given_up_when_received_bytes_would_use_the_reserve(int looksWithSpace, int mostWritten)
    {
        await using var guest = new GuestDouble(services => services.Stream(FilesMethods.Read, (_, stream, context) => ServeAsync(stream, context.CancellationToken)));
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        var looks = 0;
        var options = new FileCopyOptions { ReserveBytes = 1 << 20 };
        var written = 0L;
        using (var copy = new CopyOut(instance.Connection, new GuestPath("/x"), _folder.At("copy"), options, null, _ => looks++ < looksWithSpace ? 1L << 40 : (1 << 20) + 1))
        {
            var error = await Assert.ThrowsAsync<ChannelException>(() => copy.RunAsync(new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token));
            Assert.Equal(ChannelError.ResourceExhausted, error.Code);
            Assert.Contains(nameof(FileCopyOptions.ReserveBytes), error.Message);
            written = new FileInfo(Assert.Single(Directory.GetFiles(_folder.Path))).Length;
        }

        Assert.Equal(mostWritten, written);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_file_that_says_that_there_is_no_room_for_it_is_refused_before_anything_is_made()
    {
        _claim = ulong.MaxValue;
        await using var guest = new GuestDouble(services => services.Stream(FilesMethods.Read, (_, stream, context) => ServeAsync(stream, context.CancellationToken)));
        await using var host = new ChannelHost();
        using var copy = new CopyOut(host.Attach("vm1", guest.Uri).Connection, new GuestPath("/x"), _folder.At("copy"), new FileCopyOptions { ReserveBytes = 1 }, null, static _ => Size);
        Assert.Equal(ChannelError.ResourceExhausted, (await Assert.ThrowsAsync<ChannelException>(() => copy.RunAsync(CancellationToken.None))).Code);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_reserve_out_of_range_is_refused()
    {
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
        var files = host.Attach("vm1", guest.Uri).Files;
        var error = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => files.CopyOutAsync(new GuestPath("/x"), _folder.At("copy"), new FileCopyOptions { ReserveBytes = -1 }));
        Assert.Equal(nameof(FileCopyOptions.ReserveBytes), error.ParamName);
    }
}
