using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Platform.Mounts;

namespace ChannelSdk.GuestAgent.Tests;

public sealed class FileSystemFactsTests : IDisposable
{
    private readonly ManualResetEventSlim _returns = new();
    private readonly ConcurrentQueue<string> _asked = [];
    private readonly HashSet<string> _hung = [];
    private readonly FileSystemFacts _facts;

    public FileSystemFactsTests() => _facts = new FileSystemFacts(mount =>
    {
        _asked.Enqueue(mount.Path);
        if (_hung.Contains(mount.Path))
        {
            _returns.Wait();
        }

        return new FileSystemFigures(100, 50, 40);
    });

    public void Dispose() => _returns.Set();

    [Fact]
    public void What_is_beneath_one_hung_program_costs_one_thread_and_names_it()
    {
        var table = new StringBuilder("20 1 254:0 / / rw - ext4 /dev/vda rw\n21 20 0:50 / /far rw - fuse.sshfs host: rw\n");
        for (var i = 0; i < 40; i++)
        {
            table.Append(CultureInfo.InvariantCulture, $"{30 + i} 21 0:{60 + i} / /far/{i} rw - tmpfs t rw\n");
            _hung.Add($"/far/{i}");
        }

        var clock = Stopwatch.StartNew();

        var facts = _facts.Collect(MountTable.Parse(table.ToString()));

        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2));
        Assert.NotNull(facts[0].Figures);
        Assert.Equal(40, facts.Count(static fact => fact.Figures is null && fact.Keeper.Path == "/far"));
        Assert.Single(_asked, static path => path.StartsWith("/far", StringComparison.Ordinal));
    }

    [Fact]
    public void Ten_hung_programs_leave_the_disks_their_answers_and_are_not_asked_again()
    {
        var table = new StringBuilder("20 1 254:0 / / rw - ext4 /dev/vda rw\n");
        for (var i = 0; i < 10; i++)
        {
            table.Append(CultureInfo.InvariantCulture, $"{30 + i} 20 7:{i} / /m{i} rw - fuseblk /dev/sd{i} rw\n");
            _hung.Add($"/m{i}");
        }

        var mounts = MountTable.Parse(table.ToString());
        for (var round = 0; round < 4; round++)
        {
            var clock = Stopwatch.StartNew();
            var facts = _facts.Collect(mounts);
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2));
            Assert.Equal(10, facts.Count(static fact => fact.Figures is null && fact.Keeper == fact.Main));
            Assert.Equal(40u, facts.Single(static fact => fact.Main.Path == "/").Figures!.Value.AvailableBytes);
        }
        // Four threads at most are lost to them.
        Assert.Equal(4, _asked.Count(static path => path != "/"));

        _returns.Set();
        Assert.True(SpinWait.SpinUntil(() => _facts.Collect(mounts).All(static fact => fact.Figures is not null), TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public void Two_calls_at_a_time_share_one_hung_probe()
    {
        _hung.Add("/m");
        var mounts = MountTable.Parse("20 1 254:0 / / rw - ext4 /dev/vda rw\n21 20 7:1 / /m rw - fuseblk /dev/sda rw\n");
        var answers = new ConcurrentQueue<FileSystemFigures?>();
        Thread[] threads = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() => answers.Enqueue(_facts.Collect(mounts).Single(static fact => fact.Main.Path == "/m").Figures)))];
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        Assert.Equal([null, null, null, null], answers);
        Assert.Single(_asked, "/m");
    }

    [Fact]
    public void A_file_system_is_asked_by_a_mount_that_no_hung_program_is_on_the_way_to()
    {
        _hung.Add("/far/a");
        var facts = _facts.Collect(MountTable.Parse(
            "20 1 0:9 / / rw - overlay o rw\n21 20 0:50 / /far rw - fuse f rw\n22 21 8:1 / /far/a rw - ext4 /dev/sda1 rw\n23 20 8:1 / /data/longer rw - ext4 /dev/sda1 rw\n"));
        Assert.NotNull(Assert.Single(facts).Figures);
    }

    [Fact]
    public void An_error_of_the_question_is_an_answer_without_figures()
    {
        var facts = new FileSystemFacts(static _ => throw new InvalidOperationException());
        Assert.Equal(default(FileSystemFigures), Assert.Single(facts.Collect(MountTable.Parse("20 1 254:0 / / rw - ext4 /dev/vda rw\n"))).Figures);
    }

    [Fact]
    public void Disks_come_before_memory_file_systems_and_behind_hundreds_of_other_mounts()
    {
        var table = new StringBuilder();
        for (var i = 0; i < 300; i++)
        {
            table.Append(CultureInfo.InvariantCulture, $"{100 + i} 1 0:{100 + i} / /run/user/{i} rw - tmpfs tmpfs rw\n");
        }

        table.Append("999 1 254:0 / / rw - ext4 /dev/vda rw\n");

        var facts = _facts.Collect(MountTable.Parse(table.ToString()));

        Assert.Equal((256, "/"), (facts.Count, facts[0].Main.Path));
    }
}
