using System.Diagnostics;
using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Files;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Guest.Tests;

/// <summary>Copies and programs in a real guest.</summary>
[Collection("guest")]
public sealed class FilesAndExecTests(SavedGuest saved) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-test-");

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromMinutes(4)).Token;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_GiB_with_holes_goes_in_and_out_while_the_link_is_cut_ten_times_each_way()
    {
        const long size = 1L << 30;
        string source = Path.Combine(_folder.FullName, "source"), back = Path.Combine(_folder.FullName, "back");
        var data = MakeSparse(source, size);
        await using var guest = await BootWithDiskAsync();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.ChannelUri);
        await instance.WaitReadyAsync(Soon);

        var sent = await instance.Files.CopyInAsync(source, "/mnt/copy", progress: new Cutter(instance, size, 10), cancellationToken: Soon);
        var cutsIn = instance.Channel.Status.Resumes;
        var fetched = await instance.Files.CopyOutAsync("/mnt/copy", back, progress: new Cutter(instance, size, 10), cancellationToken: Soon);

        Assert.True(cutsIn >= 10 && instance.Channel.Status.Resumes >= 20, $"{cutsIn} and {instance.Channel.Status.Resumes} resumes");
        // Nothing was sent a second time.
        Assert.Equal((data, data, 0), (sent.DataBytes, fetched.DataBytes, sent.Resumes + fetched.Resumes));
        Assert.Equal(sent.Hash, fetched.Hash);
        using (var compare = Process.Start("cmp", [source, back]))
        {
            await compare.WaitForExitAsync(Soon);
            Assert.Equal(0, compare.ExitCode);
        }

        var facts = await instance.Files.StatAsync("/mnt/copy", Soon);
        Assert.Equal((long)size, facts.Size);
        Assert.InRange(facts.AllocatedBytes, (long)data, (long)data + (8 << 20));
    }

    [Fact]
    public async Task Copies_go_on_with_the_successor_of_an_agent_that_was_killed()
    {
        const long size = 128L << 20;
        string source = Path.Combine(_folder.FullName, "source"), back = Path.Combine(_folder.FullName, "back");
        MakeSparse(source, size);
        await using var guest = await BootWithDiskAsync();
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.ChannelUri);
        await instance.WaitReadyAsync(Soon);

        var sent = await instance.Files.CopyInAsync(source, "/mnt/copy", progress: new Killer(console, size / 2), cancellationToken: Soon);
        var fetched = await instance.Files.CopyOutAsync("/mnt/copy", back, progress: new Killer(console, size / 2), cancellationToken: Soon);

        Assert.Equal((1, 1), (sent.Resumes, fetched.Resumes));
        Assert.InRange(sent.DataBytes, size / 2, size / 2 + (8 << 20));
        Assert.Equal(sent.Hash, fetched.Hash);
        Assert.Equal(await File.ReadAllBytesAsync(source), await File.ReadAllBytesAsync(back));
        Assert.DoesNotContain(".part", await console.ShAsync("ls -a /mnt"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disk_that_is_full_is_told_and_holds_no_half_file()
    {
        var source = Path.Combine(_folder.FullName, "source");
        await File.WriteAllBytesAsync(source, new byte[32 << 20]);
        await using var guest = await saved.RestoreAsync();
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await console.ShAsync("mkdir -p /mnt && mount -t tmpfs -o size=8m small /mnt");
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.ChannelUri);

        var error = await Assert.ThrowsAsync<ChannelException>(() => instance.Files.CopyInAsync(source, "/mnt/copy", cancellationToken: Soon));

        Assert.Equal(ChannelError.ResourceExhausted, error.Code);
        Assert.Equal("", await console.ShAsync("ls -A /mnt"));
    }

    [Fact]
    public async Task A_program_runs_with_its_streams_and_its_code()
    {
        await using var guest = await saved.RestoreAsync();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.ChannelUri);
        var options = new ExecOptions { Command = ["sh", "-c", "cat; hostname >&2; exit 3"] };

        var result = await instance.Exec.RunAsync(options, "input"u8.ToArray(), cancellationToken: Soon);

        Assert.Equal((3, "input", "guest\n"), (result.Exit.Code, Encoding.UTF8.GetString(result.Output.Span), Encoding.UTF8.GetString(result.Error.Span)));
    }

    [Fact]
    public async Task A_fork_bomb_is_bounded_and_all_of_it_is_killed()
    {
        await using var guest = await saved.RestoreAsync();
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.ChannelUri);
        // Each child leaves the process group, which a group kill could not follow. A shell that cannot fork gives up: the
        // program itself is not among them; else it might have ended, and left the others alone, before it is killed.
        var bomb = new ExecOptions { Command = ["sh", "-c", "echo 'while :; do setsid sh /tmp/bomb & done' > /tmp/bomb; sh /tmp/bomb & echo started; exec sleep 1000"], MaxProcesses = 40 };
        var soon = Soon;
        await using (var session = await instance.Exec.StartAsync(bomb, soon))
        {
            Assert.True(session.IsLimited);
            var drain = session.StandardError.CopyToAsync(Stream.Null, soon);
            var first = new byte[1];
            await session.StandardOutput.ReadExactlyAsync(first, soon);
            Assert.Equal('s', (char)first[0]);
            var group = await console.ShAsync("ls -d /sys/fs/cgroup/channel-run-*");
            string most;
            do
            {
                await instance.Info.PingAsync(soon);
                most = await console.ShAsync($"cat {group}/pids.current");
            }
            while (int.Parse(most, System.Globalization.CultureInfo.InvariantCulture) < 40);
            Assert.Equal("40", most);
        }

        while (await console.ShAsync("ps | grep -c '[/]tmp/bomb'") != "0")
        {
            await instance.Info.PingAsync(soon);
        }

        var after = await instance.Exec.RunAsync(new ExecOptions { Command = ["true"] }, cancellationToken: Soon);
        Assert.Equal(0, after.Exit.Code);
    }

    private async Task<QemuGuest> BootWithDiskAsync()
    {
        var disk = Path.Combine(_folder.FullName, "disk");
        await using (var file = new FileStream(disk, FileMode.CreateNew))
        {
            file.SetLength(2L << 30);
        }

        using (var make = Process.Start("mkfs.ext4", ["-q", "-F", disk]))
        {
            await make.WaitForExitAsync(Soon);
            Assert.Equal(0, make.ExitCode);
        }

        var guest = await saved.BootAsync("-drive", $"file={disk},if=none,id=disk,format=raw,cache=unsafe", "-device", "virtio-blk-pci,drive=disk,addr=06");
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await console.WaitForAsync("GUEST-READY");
        // The first command is echoed: it comes before the console's shell has switched that off.
        await console.ShAsync("true");
        Assert.Equal("", await console.ShAsync("mkdir -p /mnt && mount -t ext4 /dev/vda /mnt"));
        return guest;
    }

    /// <summary>Half of it is random data, in pieces over its whole length; returns how many bytes travel.</summary>
    private static long MakeSparse(string path, long size)
    {
        const int piece = 2 << 20;
        var random = new Random(11);
        var bytes = new byte[piece];
        long data = 0;
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, preallocationSize: 0);
        RandomAccess.SetLength(file, size);
        for (long at = 0; at < size; at += 2 * piece)
        {
            random.NextBytes(bytes);
            RandomAccess.Write(file, bytes, at);
            data += piece;
        }

        return data;
    }

    /// <summary>Cuts the link so many times, evenly over the copy.</summary>
    private sealed class Cutter(Instance instance, long total, int cuts) : IProgress<FileProgress>
    {
        private int _done;

        public void Report(FileProgress value)
        {
            if (_done < cuts && value.Bytes > total / (cuts + 1) * (_done + 1) && instance.Status.Reachability == Reachability.Up)
            {
                _done++;
                instance.DropLink("the test");
            }
        }
    }

    /// <summary>Kills the agent once.</summary>
    private sealed class Killer(GuestConsole console, long at) : IProgress<FileProgress>
    {
        private bool _isDone;

        public void Report(FileProgress value)
        {
            if (!_isDone && value.Bytes > at)
            {
                _isDone = true;
                console.ShAsync("kill -9 $(pidof channel-agent)").GetAwaiter().GetResult();
            }
        }
    }
}
