using System.Globalization;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Worker.Tests;

/// <summary>Each measure alone, without the filter, which would refuse all of it first: what is left where another one fails.</summary>
public sealed class LayerTests
{
    private const string User = "user=1879179262";

    [Theory]
    [InlineData("open /etc/passwd")]
    [InlineData("open /proc/self/maps")]
    [InlineData("list /")]
    [InlineData("!open /etc/passwd")]
    [InlineData("!list /")]
    public async Task Landlock_alone_gives_no_file(string probe)
    {
        await using var worker = await RawWorker.StartAsync("only=landlock");
        Assert.Equal(0, worker.Error);
        Assert.Equal("errno 13", await worker.TryAsync(probe));
    }

    [Theory]
    [InlineData("tcp-bind")]
    [InlineData("!tcp-bind")]
    public async Task Landlock_alone_gives_no_port(string probe)
    {
        await using var worker = await RawWorker.StartAsync("only=landlock");
        Assert.Equal("errno 13", await worker.TryAsync(probe));
    }

    [Theory]
    [InlineData("")]
    [InlineData("!")]
    public async Task Landlock_alone_lets_it_signal_no_other_process(string thread)
    {
        await using var worker = await RawWorker.StartAsync("only=landlock");
        // Signal 0 only asks.
        Assert.Equal("errno 1", await worker.TryAsync($"{thread}call 62 {Environment.ProcessId.ToString(CultureInfo.InvariantCulture)} 0"));
        Assert.Equal("0", await worker.TryAsync($"{thread}call 62 {worker.ProcessId.ToString(CultureInfo.InvariantCulture)} 0"));
        Assert.Equal("0", await worker.TryAsync("work"));
    }

    [Fact]
    public async Task In_the_empty_root_there_is_nothing_and_nothing_can_be_made()
    {
        await using var worker = await RawWorker.StartAsync([WorkerPrograms.Probe], ["only=root", Mounts], NamespaceKinds.Mount);
        Assert.Equal(0, worker.Error);
        foreach (var path in (string[])["/etc/passwd", "/proc/self/maps", "/proc", "/dev/null", "../../etc/passwd"])
        {
            Assert.Equal("errno 2", await worker.TryAsync($"open {path}"));
            Assert.Equal("errno 2", await worker.TryAsync($"!open {path}"));
        }

        // It is root here.
        Assert.Equal("errno 30", await worker.TryAsync("mkdir /x"));
        Assert.Equal(["none", "/", "tmpfs"], (await File.ReadAllLinesAsync($"/proc/{worker.ProcessId}/mounts")).Single().Split(' ')[..3]);
    }

    [Fact]
    public async Task The_root_of_a_namespace_that_others_are_in_is_never_changed()
    {
        // One that the test has made, and names as the host's: were it changed, nothing of the machine would be.
        await using var worker = await RawWorker.StartAsync(
            ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", "exec \"$0\" only=root mounts=$(stat -Lc %i /proc/self/ns/mnt)", WorkerPrograms.Probe], []);
        Assert.Equal(Errno.EBUSY, worker.Error);
        Assert.NotEqual("errno 2", await worker.TryAsync("open /etc/passwd"));
    }

    [Fact]
    public async Task Its_own_user_alone_cannot_touch_what_is_roots()
    {
        await using var worker = await RawWorker.StartAsync("only=user", User);
        Assert.Equal(0, worker.Error);
        foreach (var thread in (string[])["", "!"])
        {
            Assert.Equal("errno 13", await worker.TryAsync($"{thread}open /etc/shadow"));
            Assert.Equal("errno 13", await worker.TryAsync($"{thread}open /proc/{Environment.ProcessId}/environ"));
            Assert.Equal("errno 1", await worker.TryAsync($"{thread}call 62 {Environment.ProcessId} 0"));
            // ptrace: ATTACH; setuid.
            Assert.Equal("errno 1", await worker.TryAsync($"{thread}call 101 16 {Environment.ProcessId}"));
            Assert.Equal("errno 1", await worker.TryAsync($"{thread}call 105 0"));
        }
    }

    [Fact]
    public async Task Root_without_capabilities_opens_no_users_files_and_makes_no_namespace()
    {
        await using var worker = await RawWorker.StartAsync("only=capabilities");
        Assert.Equal(0, worker.Error);
        foreach (var thread in (string[])["", "!"])
        {
            // unshare: network; sethostname; setuid.
            Assert.Equal("errno 1", await worker.TryAsync($"{thread}call 272 1073741824"));
            Assert.Equal("errno 1", await worker.TryAsync($"{thread}call 170 0 0"));
            Assert.Equal("errno 1", await worker.TryAsync($"{thread}call 105 77"));
        }
    }

    [Theory]
    [InlineData("limits")]
    [InlineData("undumpable")]
    public async Task Each_of_two_measures_alone_keeps_it_from_a_core_dump(string measure)
    {
        await using var worker = await RawWorker.StartAsync(["/usr/bin/prlimit", "--core=unlimited:unlimited", WorkerPrograms.Probe], [$"only={measure}"]);
        Assert.Equal(0, worker.Error);
        await worker.TryAsync("abort");
        Assert.Equal(RawWorker.Aborted, worker.WaitStatus());
    }

    private static string Mounts => string.Create(CultureInfo.InvariantCulture, $"mounts={ThreadNamespaces.OwnMounts()}");
}
