using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Host.Workers;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Worker.Tests;

/// <summary>The life of a worker as the host manager sees it, and what of its confinement the kernel shows from outside.</summary>
public sealed class WorkerProcessTests
{
    private const int MostPrivateKiB = 3072;

    private static WorkerOptions Options => new() { Program = WorkerPrograms.Worker };

    [Fact]
    public async Task A_worker_is_confined_on_all_of_its_threads()
    {
        await using var worker = await WorkerProcess.StartAsync("vm1", Options, new ForeignCloser(), []);
        // Control groups are the host's; all else holds wherever this runs as root.
        Assert.Equal([], worker.Confinement.Gaps.Where(static gap => gap.Measure is not (WorkerMeasure.Memory or WorkerMeasure.Tasks or WorkerMeasure.ProcessorTime)).Select(static gap => gap.Why));
        var user = worker.Confinement.User!.Value;
        Assert.InRange(user, UserRange.Workers.First, UserRange.Workers.Last);
        var threads = Directory.GetDirectories($"/proc/{worker.ProcessId}/task");
        // Two of the runtime, and the one that waits for descriptors.
        Assert.Equal(3, threads.Length);
        foreach (var thread in threads)
        {
            var status = (await File.ReadAllLinesAsync($"{thread}/status")).Select(static line => line.Split(':', 2)).ToDictionary(static p => p[0], static p => p[1].Trim());
            Assert.Equal($"{user}\t{user}\t{user}\t{user}", status["Uid"]);
            Assert.Equal(status["Uid"], status["Gid"]);
            Assert.Equal("", status["Groups"]);
            Assert.All((string[])["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"], name => Assert.Equal("0000000000000000", status[name]));
            Assert.Equal(("1", "2", "1"), (status["NoNewPrivs"], status["Seccomp"], status["Seccomp_filters"]));
            // Numbers of the host's namespace, and of its own, in which it is the first.
            Assert.Equal(thread.EndsWith($"/{worker.ProcessId}", StringComparison.Ordinal), status["NSpid"].Split('\t')[^1] == "1");
        }

        foreach (var kind in (string[])["net", "ipc", "uts", "mnt", "pid"])
        {
            Assert.NotEqual(new FileInfo($"/proc/self/ns/{kind}").LinkTarget, new FileInfo($"/proc/{worker.ProcessId}/ns/{kind}").LinkTarget);
        }

        Assert.Equal(["lo"], (await File.ReadAllLinesAsync($"/proc/{worker.ProcessId}/net/dev")).Skip(2).Select(static line => line.Trim().Split(':')[0]));
        Assert.Empty(Directory.GetFileSystemEntries($"/proc/{worker.ProcessId}/root/"));
        Assert.Contains("ro,", Assert.Single(await File.ReadAllLinesAsync($"/proc/{worker.ProcessId}/mounts")));
        var limits = (await File.ReadAllLinesAsync($"/proc/{worker.ProcessId}/limits")).ToDictionary(static line => line[..26].Trim(), static line => line[26..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[..2]);
        foreach (var (name, value) in ((string, string)[])[("Max core file size", "1"), ("Max file size", "0"), ("Max locked memory", "0"), ("Max msgqueue size", "0"), ("Max open files", "64"), ("Max processes", "32"), ("Max data size", "134217728")])
        {
            Assert.Equal([value, value], limits[name]);
        }
    }

    [Fact]
    public async Task A_worker_has_what_it_was_given_and_nothing_of_the_host_managers()
    {
        var pipe = Descriptor.Pipe()!.Value;
        // What a library has forgotten to mark close-on-exec.
        using var forgotten = new SafeFd(DescriptorCalls.EventFd(0, 0));
        await using var worker = await WorkerProcess.StartAsync("vm1", Options, new ForeignCloser(), [pipe.Read]);
        var open = Directory.GetFiles($"/proc/{worker.ProcessId}/fd").ToDictionary(static path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture), static path => new FileInfo(path).LinkTarget!);
        // By a path in a mount that it does not have any more.
        Assert.Equal(["/null", "/null", "/null"], [open[0], open[1], open[2]]);
        Assert.StartsWith("socket:", open[3], StringComparison.Ordinal);
        Assert.StartsWith("pipe:", open[4], StringComparison.Ordinal);
        // The lock of its user, which ends with it, what the runtime takes the keys of its hashes from, and what its I/O thread waits on.
        Assert.EndsWith($"/{worker.Confinement.User}", open[5], StringComparison.Ordinal);
        Assert.EndsWith("/urandom", open[6], StringComparison.Ordinal);
        Assert.Equal(["anon_inode:[eventpoll]", "anon_inode:[eventfd]"], [open[7], open[8]]);
        Assert.Equal(9, open.Count);
        Assert.Equal("", await File.ReadAllTextAsync($"/proc/{worker.ProcessId}/environ"));
        var command = (await File.ReadAllTextAsync($"/proc/{worker.ProcessId}/cmdline")).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("channel-worker", command[0]);
        Assert.All(command[1..], static argument => Assert.True(ulong.TryParse(argument.Split('=')[1], CultureInfo.InvariantCulture, out _), argument));
        pipe.Read.Dispose();
        pipe.Write.Dispose();
    }

    [Fact]
    public async Task A_worker_ends_with_its_control_socket_and_leaves_nothing()
    {
        var worker = await WorkerProcess.StartAsync("vm1", Options, new ForeignCloser(), []);
        var (groups, user) = (worker.ControlGroups, worker.Confinement.User);
        Assert.All(groups, group => Assert.Contains(worker.ProcessId.ToString(CultureInfo.InvariantCulture), File.ReadAllLines($"{group}/cgroup.procs")));
        worker.Control.Dispose();
        Assert.Equal(0, await worker.Exited.WaitAsync(TimeSpan.FromSeconds(10)));
        await worker.DisposeAsync();
        Assert.All(groups, static group => Assert.False(Directory.Exists(group)));
        Assert.False(File.Exists($"/run/channelsdk/users/{user}"));
    }

    [Fact]
    public async Task A_killed_worker_tells_its_end_and_another_one_goes_on()
    {
        await using var one = await WorkerProcess.StartAsync("vm1", Options, new ForeignCloser(), []);
        await using var other = await WorkerProcess.StartAsync("vm2", Options, new ForeignCloser(), []);
        Assert.NotEqual(one.Confinement.User, other.Confinement.User);
        one.Kill();
        Assert.Equal(128 + Abi.SIGKILL, await one.Exited.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.False(other.Exited.IsCompleted);
    }

    [Fact]
    public async Task Fifty_workers_that_start_at_once_have_a_user_each_and_leave_nothing()
    {
        var workers = await Task.WhenAll(Enumerable.Range(0, 50).Select(static i => WorkerProcess.StartAsync($"vm{i}", Options, new ForeignCloser(), [])));
        Assert.Equal(50, workers.Select(static worker => worker.Confinement.User).Distinct().Count());
        var groups = workers.SelectMany(static worker => worker.ControlGroups).ToArray();
        await Task.WhenAll(workers.Select(static worker => worker.DisposeAsync().AsTask()));
        Assert.All(workers, static worker => Assert.Equal(0, worker.Exited.Result));
        Assert.All(groups, static group => Assert.False(Directory.Exists(group)));
    }

    [Fact]
    public async Task An_idle_worker_has_two_threads_and_little_memory()
    {
        await using var worker = await WorkerProcess.StartAsync("vm1", Options, new ForeignCloser(), []);
        var rollup = (await File.ReadAllLinesAsync($"/proc/{worker.ProcessId}/smaps_rollup")).Skip(1).Select(static line => line.Split(':', 2)).ToDictionary(static p => p[0], static p => p[1].Trim().Split(' ')[0]);
        Assert.InRange(int.Parse(rollup["Private_Dirty"], CultureInfo.InvariantCulture), 1, MostPrivateKiB);
    }

    [Fact]
    public async Task A_worker_works_under_its_filter()
    {
        await using var worker = await ProbedWorker.StartAsync();
        Assert.Equal("0", await worker.TryAsync("work"));
    }

    [Fact]
    public async Task What_is_no_worker_is_told_by_what_happened()
    {
        async Task<ChannelException> Fails(WorkerOptions options) => await Assert.ThrowsAsync<ChannelException>(async () => await (await WorkerProcess.StartAsync("vm1", options, new ForeignCloser(), [])).DisposeAsync());
        var missing = await Fails(new WorkerOptions { Program = "/nonexistent/channel-worker" });
        Assert.Equal((ChannelError.BadConfiguration, "there is no /nonexistent/channel-worker, in which the bytes of guests are parsed; install it beside this program, or give its path"), (missing.Code, missing.Message));
        var ended = await Fails(new WorkerOptions { Program = "/bin/false" });
        Assert.Equal((ChannelError.TransportFailed, "the worker of vm1 did not begin: it ended with code 1"), (ended.Code, ended.Message));
        var data = Path.GetTempFileName();
        Assert.Equal("the worker of vm1 cannot be started: Permission denied (errno 13)", (await Fails(new WorkerOptions { Program = data })).Message);
        File.Delete(data);
        var full = new UserRange(UserRange.Workers.Last, UserRange.Workers.Last);
        await using var only = await WorkerProcess.StartAsync("vm1", Options with { Users = full }, new ForeignCloser(), []);
        Assert.Equal(ChannelError.ResourceExhausted, (await Fails(Options with { Users = full })).Code);
    }

    [Fact]
    public async Task A_program_that_tells_nothing_is_ended_when_its_time_is_over()
    {
        var script = Path.Combine(Directory.CreateTempSubdirectory("worker-").FullName, "silent");
        await File.WriteAllTextAsync(script, "#!/bin/sh\nexec sleep 1000\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var watch = Stopwatch.StartNew();
        var error = await Assert.ThrowsAsync<ChannelException>(() => WorkerProcess.StartAsync("vm1", Options with { Program = script, StartTime = TimeSpan.FromMilliseconds(300) }, new ForeignCloser(), []));
        Assert.Equal("the worker of vm1 did not begin: it told nothing within 0.3 s", error.Message);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10));
        Directory.Delete(Path.GetDirectoryName(script)!, recursive: true);
    }

    [Fact]
    public async Task What_must_hold_and_does_not_ends_the_worker()
    {
        var error = await Assert.ThrowsAsync<ChannelException>(() => WorkerProcess.StartAsync("vm1", Options with { Users = null, Required = [WorkerMeasure.User] }, new ForeignCloser(), []));
        Assert.Equal((ChannelError.BadConfiguration, "the worker of vm1 is not confined as it must be: the worker has this program's user, as no range of users is set for it"), (error.Code, error.Message));
    }

    [Fact]
    public async Task Without_root_the_filter_landlock_and_limits_hold_and_the_rest_is_told()
    {
        var folder = Directory.CreateTempSubdirectory("worker-");
        File.SetUnixFileMode(folder.FullName, (UnixFileMode)0x1ED);
        var program = Path.Combine(folder.FullName, "in-worker");
        File.Copy(WorkerPrograms.Probe, program);
        await using (var worker = await RawWorker.StartAsync(["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program], []))
        {
            foreach (var measure in Enum.GetValues<ConfinementMeasure>())
            {
                Assert.Equal(measure is not (ConfinementMeasure.User or ConfinementMeasure.EmptyRoot), worker.Report.Holds(measure));
            }

            Assert.Equal("errno 1", await worker.TryAsync("open /etc/passwd"));
            var confinement = WorkerConfinement.Of(null, [new WorkerGap(WorkerMeasure.Namespaces, "x")], worker.Report, ["memory"]);
            Assert.Equal([WorkerMeasure.Namespaces, WorkerMeasure.EmptyRoot, WorkerMeasure.User, WorkerMeasure.Memory], confinement.Gaps.Select(static gap => gap.Measure));
            Assert.Equal("no control group of this host bounds the memory of the worker; a limit of its data does", confinement.Gaps[^1].Why);
        }

        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("control=3", "surplus")]
    [InlineData("control=99", "")]
    [InlineData("user=x", "")]
    [InlineData("user=-1", "")]
    [InlineData("files=100000", "")]
    [InlineData("unknown=1", "")]
    public async Task Wrong_arguments_end_it_before_anything_is_done(string one, string other)
    {
        await using var worker = await RawWorker.StartAsync([WorkerPrograms.Worker], [one, .. other.Length == 0 ? [] : (string[])[other]]);
        Assert.Equal(2, ChildProcess.ExitCode(worker.WaitStatus()));
    }
}
