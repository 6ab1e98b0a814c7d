using System.Text;
using ChannelSdk.Host.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Files;
using ChannelSdk.Transports.Faulty;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Copies between a real agent and the host's library.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class FileCopyTests
{
    private const int Block = ContentHash.BlockSize;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Block - 1)]
    [InlineData(Block)]
    [InlineData(Block + 1)]
    [InlineData(3_000_001)]
    public async Task A_file_is_the_same_on_the_other_side(int length)
    {
        await using var rig = new AgentRig();
        var source = rig.NewFile("source", length);
        string local = Path.Combine(rig.Local, "copy"), back = Path.Combine(rig.Guest, "back");

        var fetched = await rig.Instance.Files.CopyOutAsync(source, local, cancellationToken: rig.Soon);
        var sent = await rig.Instance.Files.CopyInAsync(local, back, cancellationToken: rig.Soon);

        Assert.Equal(await File.ReadAllBytesAsync(source), await File.ReadAllBytesAsync(back));
        Assert.Equal((length, fetched.Hash, 0), (sent.Bytes, sent.Hash, sent.Resumes));
        Assert.Equal([local], Directory.GetFileSystemEntries(rig.Local));
        Assert.Equal(2, Directory.GetFileSystemEntries(rig.Guest).Length);
    }

    [Fact]
    public async Task Holes_stay_holes_in_both_directions_and_do_not_travel()
    {
        await using var rig = new AgentRig();
        string source = Path.Combine(rig.Guest, "sparse"), local = Path.Combine(rig.Local, "copy"), back = Path.Combine(rig.Guest, "back");
        var island = new byte[5000];
        Array.Fill(island, (byte)7);
        using (var file = File.OpenHandle(source, FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.Write(file, island, 50L << 20);
            RandomAccess.Write(file, island, (200L << 20) + 12345);
            RandomAccess.SetLength(file, (1L << 30) + 17);
        }

        var fetched = await rig.Instance.Files.CopyOutAsync(source, local, cancellationToken: rig.Soon);
        var sent = await rig.Instance.Files.CopyInAsync(local, back, cancellationToken: rig.Soon);

        Assert.Equal((1L << 30) + 17, sent.Bytes);
        Assert.Equal(fetched.Hash, sent.Hash);
        Assert.InRange(fetched.DataBytes, 10_000, 4 * Block);
        var facts = await rig.Instance.Files.StatAsync(back, rig.Soon);
        Assert.Equal((1L << 30) + 17, facts.Size);
        Assert.InRange(facts.AllocatedBytes, 10_000L, 64L << 10);
        var read = new byte[island.Length];
        using var copy = File.OpenHandle(back);
        Assert.Equal(island.Length, RandomAccess.Read(copy, read, (200L << 20) + 12345));
        Assert.Equal(island, read);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(24)]
    [InlineData(1_000)]
    [InlineData(65_559)]
    [InlineData(131_096)]
    [InlineData(300_001)]
    public async Task A_link_that_is_cut_again_and_again_costs_a_copy_nothing(int offset)
    {
        var plan = new FaultPlan
        {
            Links =
            [
                .. Enumerable.Range(0, 10).Select(_ => new LinkFaults { CutAfterReceived = 500_000 + offset }),
                .. Enumerable.Range(0, 10).Select(_ => new LinkFaults { CutAfterSent = 500_000 + offset }),
            ],
        };
        await using var rig = new AgentRig(plan);
        var source = rig.NewFile("source", 9_000_000);
        string local = Path.Combine(rig.Local, "copy"), back = Path.Combine(rig.Guest, "back");

        var fetched = await rig.Instance.Files.CopyOutAsync(source, local, cancellationToken: rig.Soon);
        var sent = await rig.Instance.Files.CopyInAsync(local, back, cancellationToken: rig.Soon);

        Assert.True(rig.Instance.Channel.Status.Resumes >= 20, $"{rig.Instance.Channel.Status.Resumes} resumes");
        Assert.Equal((9_000_000, 9_000_000, 0), (fetched.DataBytes, sent.DataBytes, fetched.Resumes + sent.Resumes));
        Assert.Equal(await File.ReadAllBytesAsync(source), await File.ReadAllBytesAsync(back));
    }

    [Fact]
    public async Task A_copy_out_goes_on_with_an_agent_that_came_back()
    {
        await using var rig = new AgentRig();
        string source = rig.NewFile("source", 40_000_003), local = Path.Combine(rig.Local, "copy");
        var half = new Halfway(20_000_000);

        var copy = rig.Instance.Files.CopyOutAsync(source, local, progress: half, cancellationToken: rig.Soon);
        await RestartAtAsync(rig, half);
        var result = await copy;

        Assert.Equal((1, 40_000_003L, 40_000_003L), (result.Resumes, result.Bytes, result.DataBytes));
        Assert.Equal(await File.ReadAllBytesAsync(source), await File.ReadAllBytesAsync(local));
    }

    [Fact]
    public async Task A_copy_in_goes_on_with_an_agent_that_came_back()
    {
        await using var rig = new AgentRig();
        string back = Path.Combine(rig.Guest, "back"), local = Path.Combine(rig.Local, "source");
        File.Move(rig.NewFile("x", 40_000_003), local);
        var half = new Halfway(20_000_000);

        var copy = rig.Instance.Files.CopyInAsync(local, back, progress: half, cancellationToken: rig.Soon);
        await RestartAtAsync(rig, half);
        var result = await copy;

        Assert.Equal((1, 40_000_003L), (result.Resumes, result.Bytes));
        // Sent again is only what was on its way.
        Assert.InRange(result.DataBytes, 40_000_003, 40_000_003 + (4 << 20));
        Assert.Equal(await File.ReadAllBytesAsync(local), await File.ReadAllBytesAsync(back));
        Assert.Equal([back], Directory.GetFileSystemEntries(rig.Guest));
    }

    [Fact]
    public async Task A_source_that_is_replaced_while_the_agent_is_away_is_not_mixed_with_the_first_half()
    {
        await using var rig = new AgentRig();
        string source = rig.NewFile("source", 20_000_000), local = Path.Combine(rig.Local, "copy");
        var half = new Halfway(10_000_000);

        var copy = rig.Instance.Files.CopyOutAsync(source, local, progress: half, cancellationToken: rig.Soon);
        await RestartAtAsync(rig, half, () =>
        {
            File.Move(rig.NewFile("other", 20_000_000, seed: 2), source, overwrite: true);
        });

        Assert.Equal(ChannelError.FailedPrecondition, (await Assert.ThrowsAsync<ChannelException>(() => copy)).Code);
        Assert.Empty(Directory.GetFileSystemEntries(rig.Local));
    }

    [Fact]
    public async Task A_source_that_changes_while_it_is_read_is_told_unless_that_is_allowed()
    {
        await using var rig = new AgentRig();
        var source = rig.NewFile("log", 10_000_000);
        var before = await File.ReadAllBytesAsync(source);
        FileCopyOptions allow = new() { AllowChange = true };

        var e = await Assert.ThrowsAsync<ChannelException>(() => rig.Instance.Files.CopyOutAsync(
            source, Path.Combine(rig.Local, "a"), progress: new Once(() => File.AppendAllText(source, "more")), cancellationToken: rig.Soon));
        await rig.Instance.Files.CopyOutAsync(
            source, Path.Combine(rig.Local, "b"), allow, new Once(() => File.AppendAllText(source, "more")), rig.Soon);

        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        byte[] expected = [.. before, .. "more"u8];
        Assert.Equal(expected, await File.ReadAllBytesAsync(Path.Combine(rig.Local, "b")));
        Assert.Single(Directory.GetFileSystemEntries(rig.Local));
    }

    [Fact]
    public async Task A_cancelled_copy_leaves_nothing_on_either_side()
    {
        await using var rig = new AgentRig();
        string source = rig.NewFile("source", 60_000_000), local = Path.Combine(rig.Local, "source");
        File.Copy(source, local);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(rig.Soon);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => rig.Instance.Files.CopyOutAsync(
            source, Path.Combine(rig.Local, "copy"), progress: new Once(stop.Cancel), cancellationToken: stop.Token));
        using var again = CancellationTokenSource.CreateLinkedTokenSource(rig.Soon);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => rig.Instance.Files.CopyInAsync(
            local, Path.Combine(rig.Guest, "copy"), progress: new Once(again.Cancel), cancellationToken: again.Token));

        Assert.Equal([local], Directory.GetFileSystemEntries(rig.Local));
        // The agent hears of it a moment later.
        while (Directory.GetFileSystemEntries(rig.Guest).Length > 1)
        {
            await rig.Instance.Info.PingAsync(rig.Soon);
        }
    }

    [Fact]
    public async Task Mode_owner_and_time_are_kept_on_request()
    {
        await using var rig = new AgentRig();
        string source = rig.NewFile("source", 10), local = Path.Combine(rig.Local, "copy"), back = Path.Combine(rig.Guest, "back");
        var time = new DateTime(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc).AddTicks(1234567);
        File.SetUnixFileMode(source, (UnixFileMode)0b111_101_001);
        File.SetLastWriteTimeUtc(source, time);
        FileCopyOptions keep = new() { KeepMode = true, KeepOwner = true, KeepTime = true };

        await rig.Instance.Files.CopyOutAsync(source, local, keep, cancellationToken: rig.Soon);
        await rig.Instance.Files.CopyInAsync(local, back, keep, cancellationToken: rig.Soon);

        FileStat first = await rig.Instance.Files.StatAsync(source, rig.Soon), last = await rig.Instance.Files.StatAsync(back, rig.Soon);
        Assert.Equal((UnixFileMode)0b111_101_001, last.Mode);
        Assert.Equal((first.Uid, first.Gid, first.Modified), (last.Uid, last.Gid, last.Modified));
        Assert.Equal(time, File.GetLastWriteTimeUtc(back));
        File.SetUnixFileMode(source, (UnixFileMode)0b110_111_101_001);
        await rig.Instance.Files.CopyOutAsync(source, local, keep with { Overwrite = true }, cancellationToken: rig.Soon);
        Assert.Equal((UnixFileMode)0b111_101_001, File.GetUnixFileMode(local));
    }

    [Fact]
    public async Task A_file_is_replaced_only_on_request_and_then_keeps_its_mode()
    {
        await using var rig = new AgentRig();
        string target = rig.NewFile("target", 10), local = Path.Combine(rig.Local, "new");
        File.SetUnixFileMode(target, UnixFileMode.UserRead);
        await File.WriteAllTextAsync(local, "new");

        var e = await Assert.ThrowsAsync<ChannelException>(() => rig.Instance.Files.CopyInAsync(local, target, cancellationToken: rig.Soon));
        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        Assert.Equal(10, new FileInfo(target).Length);
        await rig.Instance.Files.CopyInAsync(local, target, new FileCopyOptions { Overwrite = true }, cancellationToken: rig.Soon);
        Assert.Equal(("new", UnixFileMode.UserRead), (await File.ReadAllTextAsync(target), File.GetUnixFileMode(target)));
        await Assert.ThrowsAsync<ChannelException>(() => rig.Instance.Files.CopyOutAsync(target, local, cancellationToken: rig.Soon));
    }

    [Fact]
    public async Task Names_with_line_ends_and_without_a_meaning_in_any_encoding_are_listed_and_copied()
    {
        await using var rig = new AgentRig();
        byte[] name = [(byte)'a', (byte)'\n', 0xFF, 0xC3, (byte)' ', (byte)'"', 0x1B];
        var local = Path.Combine(rig.Local, "source");
        await File.WriteAllTextAsync(local, "content");
        var path = new GuestPath(rig.Guest).Combine(name);

        await rig.Instance.Files.CopyInAsync(local, path, cancellationToken: rig.Soon);

        var entry = Assert.Single(await rig.Instance.Files.ListAsync(rig.Guest, rig.Soon).ToListAsync());
        Assert.Equal(name, entry.RawName.ToArray());
        Assert.Equal(("a\\u000a\uFFFD\uFFFD \"\\u001b", FileKind.Regular), (entry.Name, entry.Kind));
        await rig.Instance.Files.CopyOutAsync(path, Path.Combine(rig.Local, "back"), cancellationToken: rig.Soon);
        Assert.Equal("content", await File.ReadAllTextAsync(Path.Combine(rig.Local, "back")));
        Assert.Contains("a\\u000a\uFFFD", path.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_large_folder_is_listed_whole()
    {
        await using var rig = new AgentRig();
        string[] names = [.. Enumerable.Range(0, 3000).Select(i => $"file-with-a-rather-long-name-{i}")];
        foreach (var name in names)
        {
            await File.WriteAllBytesAsync(Path.Combine(rig.Guest, name), []);
        }

        var entries = await rig.Instance.Files.ListAsync(rig.Guest, rig.Soon).ToListAsync();

        Assert.Equal(names.Order(StringComparer.Ordinal), entries.Select(entry => Encoding.UTF8.GetString(entry.RawName.Span)).Order(StringComparer.Ordinal));
    }

    private static async Task RestartAtAsync(AgentRig rig, Halfway half, Action? meanwhile = null)
    {
        await half.Reached.WaitAsync(rig.Soon);
        await rig.StopAgentAsync();
        meanwhile?.Invoke();
        rig.StartAgent();
        half.GoOn.Set();
    }

    /// <summary>Stops the copy at a place until it may go on.</summary>
    private sealed class Halfway(long at) : IProgress<FileProgress>
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Reached => _reached.Task;

        public ManualResetEventSlim GoOn { get; } = new();

        public void Report(FileProgress value)
        {
            if (value.Bytes >= at && _reached.TrySetResult())
            {
                GoOn.Wait();
            }
        }
    }

    private sealed class Once(Action action) : IProgress<FileProgress>
    {
        private Action? _action = action;

        public void Report(FileProgress value) => Interlocked.Exchange(ref _action, null)?.Invoke();
    }
}
