using System.Text.RegularExpressions;
using ChannelSdk.Host;
using ChannelSdk.Host.Workers;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Worker.Confinement;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Worker.Tests;

/// <summary>The list of system calls, against what strace(1) sees a confined program call: none is missing, and none is there for nothing.</summary>
public sealed partial class SystemCallTests : IDisposable
{
    /// <summary>Calls that are allowed and that these runs do not make, or not each time, each with its reason.</summary>
    private static readonly Dictionary<string, string> s_unseen = new()
    {
        ["clock_gettime"] = "the kernel's page gives the time here; under some hypervisors and clocks it cannot",
        ["clock_nanosleep"] = "a pause of the collector while it waits for a thread to stop",
        ["getrandom"] = "entropy of a session, by KernelRandom",
        ["mremap"] = "the C library moves a large block with it",
        ["sigaltstack"] = "a thread that was started by the runtime on other C libraries",
        ["recvmsg"] = "descriptors that the host manager sends: a new link, and memory",
        ["sendmsg"] = "messages of several parts on a link",
        ["accept4"] = "links of an endpoint that listens",
        ["shutdown"] = "the end of a link",
        ["getsockopt"] = "what ended a link",
        ["poll"] = "a wait for a descriptor",
        ["epoll_ctl"] = "the I/O thread",
        ["epoll_wait"] = "the I/O thread",
        ["brk"] = "the C library's heap, where it is not that of a thread",
        ["rt_sigaction"] = "abort(3)",
    };

    /// <summary>Calls that are refused and that the runtime goes on without, each with its reason.</summary>
    private static readonly Dictionary<string, string> s_refused = new()
    {
        ["openat"] = "the collector looks for the state of memory in /proc",
        ["prctl"] = "the runtime names its threads",
        ["sysinfo"] = "the collector asks for the state of memory",
    };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("worker-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Each_call_that_a_worker_makes_is_in_the_list_and_each_of_the_list_is_made()
    {
        // One that ends as it is told, and one that breaks off.
        (string Name, bool IsRefused)[] calls = [.. await TraceAsync(WorkerPrograms.Probe, "work", "descriptors", "!id"), .. await TraceAsync(WorkerPrograms.Probe, "abort")];
        var allowed = SystemCallList.Worker.Select(static call => call.Name).ToHashSet();
        // By rules of their own: signals to the own process, and the C library's first way to make a thread.
        allowed.UnionWith(["tgkill", "clone3"]);
        var made = calls.Select(static call => call.Name).ToHashSet();
        var refused = calls.Where(static call => call.IsRefused).Select(static call => call.Name).ToHashSet();
        Assert.Equal([], made.Except(allowed).Except(s_refused.Keys).Select(static name => $"{name} is made, and not in the list"));
        Assert.Equal([], refused.Except(s_refused.Keys).Select(static name => $"{name} is refused, as its arguments are not allowed"));
        Assert.Equal([], s_refused.Keys.Except(refused).Select(static name => $"{name} is not refused any more: {s_refused[name]}"));
        Assert.Equal([], allowed.Except(made).Except(s_unseen.Keys).Select(static name => $"{name} is in the list, and not made"));
        Assert.Equal([], s_unseen.Keys.Except(allowed).Select(static name => $"{name} has a reason, and is not in the list"));
    }

    [Fact]
    public async Task The_worker_makes_no_call_that_is_not_in_the_list()
    {
        var calls = await TraceAsync(WorkerPrograms.Worker);
        Assert.Contains(calls, static call => call.Name == "recvmsg");
        Assert.Equal([], calls.Select(static call => call.Name).Except(SystemCallList.Worker.Select(static call => call.Name)).Except(s_refused.Keys));
    }

    [Fact]
    public async Task The_worker_of_a_device_makes_each_call_of_its_group_and_no_other()
    {
        var (program, trace) = (Path.Combine(_folder.FullName, "traced"), Path.Combine(_folder.FullName, "trace"));
        await File.WriteAllTextAsync(program, $"#!/bin/sh\nexec /usr/bin/strace -f -qq -e signal=none -o {trace} {WorkerPrograms.Worker} \"$@\"\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await using (var guest = new DeviceGuest())
        {
            await using var host = new ChannelHost();
            var options = new WorkerOptions { Program = program, StartTime = TimeSpan.FromMinutes(1) };
            var vm = host.Attach("vm1", guest.Echo.HostUri, new InstanceOptions { Isolation = HostIsolation.Worker, Worker = options });
            await guest.PlugAsync();
            // So many that the kernel has no room for the answers to more interrupts until some are taken.
            for (var i = 0; i < 300; i++)
            {
                await vm.Channel.CallAsync(EchoGuest.Echo, new BytesValue());
            }
        }

        var calls = Calls(await File.ReadAllLinesAsync(trace));
        var made = calls.Select(static call => call.Name).ToHashSet();
        Assert.Equal([], made.Except(SystemCallList.DeviceWorker.Select(static call => call.Name)).Except(["tgkill", "clone3"]).Except(s_refused.Keys).Select(static name => $"{name} is made, and not in the list"));
        Assert.Equal([], SystemCallList.Device.Select(static call => call.Name).Except(made).Select(static name => $"{name} is in the list, and not made"));
        Assert.Equal([], calls.Where(static call => call.IsRefused).Select(static call => call.Name).Except(s_refused.Keys).Select(static name => $"{name} is refused, as its arguments are not allowed"));
    }

    [Theory]
    // fcntl: F_GET_SEALS, of a socket; F_SETFL; F_SETOWN; F_DUPFD. fstat, to no place. io_setup.
    [InlineData("call 72 3 1034", "errno 22", "errno 1")]
    [InlineData("call 72 3 4 2048", "errno 1", "errno 1")]
    [InlineData("call 72 3 8 1", "errno 1", "errno 1")]
    [InlineData("call 72 3 0 0", "errno 1", "errno 1")]
    [InlineData("call 5 3 0", "errno 14", "errno 1")]
    [InlineData("call 206 1 0", "errno 1", "errno 1")]
    public async Task The_worker_of_a_device_may_ask_for_seals_and_sizes_and_no_other_may(string probe, string ofDevice, string ofOther)
    {
        await using var device = await RawWorker.StartAsync("user=1879179261", "kind=1");
        Assert.True(device.Report.Holds(ConfinementMeasure.SystemCallFilter));
        Assert.Equal(ofDevice, await device.TryAsync(probe));
        await using var other = await RawWorker.StartAsync("user=1879179261", "kind=0");
        Assert.Equal(ofOther, await other.TryAsync(probe));
    }

    [Theory]
    // ioctl, of a socket: an event to the other domain, the one at the unmap; FIONREAD; to connect a port, to map grants.
    [InlineData("call 16 3 279812", "errno 25")]
    [InlineData("call 16 3 1066759", "errno 25")]
    [InlineData("call 16 3 21531", "errno 1")]
    [InlineData("call 16 3 541953", "errno 1")]
    [InlineData("call 16 3 1591040", "errno 1")]
    public async Task The_worker_of_a_vchan_may_raise_events_and_map_no_other_domain(string probe, string ofVchan)
    {
        await using var vchan = await RawWorker.StartAsync("user=1879179261", "kind=2");
        Assert.True(vchan.Report.Holds(ConfinementMeasure.SystemCallFilter));
        Assert.Equal(ofVchan, await vchan.TryAsync(probe));
        await using var other = await RawWorker.StartAsync("user=1879179261", "kind=0");
        Assert.Equal("errno 1", await other.TryAsync(probe));
    }

    [Fact]
    public void No_call_is_both_allowed_and_deadly()
    {
        Assert.Empty(SystemCallList.DeviceWorker.Select(static call => call.Name).Intersect(SystemCallList.Deadly));
        Assert.Equal(SystemCallList.DeviceWorker.Count, SystemCallList.DeviceWorker.DistinctBy(static call => call.Name).Count());
        Assert.All(s_unseen.Values.Concat(s_refused.Values), static reason => Assert.NotEmpty(reason));
    }

    // What is called from the filter on.
    private async Task<List<(string Name, bool IsRefused)>> TraceAsync(string program, params string[] probes)
    {
        var trace = Path.Combine(_folder.FullName, "trace");
        await using (var worker = await RawWorker.StartAsync(["/usr/bin/strace", "-f", "-qq", "-e", "signal=none", "-o", trace, program], ["user=1879179261"]))
        {
            Assert.True(worker.Report.Holds(ConfinementMeasure.SystemCallFilter));
            foreach (var probe in probes)
            {
                await worker.TryAsync(probe);
            }

            worker.End();
        }

        return Calls(await File.ReadAllLinesAsync(trace));
    }

    private static List<(string Name, bool IsRefused)> Calls(string[] trace) =>
        [.. trace.SkipWhile(static line => !line.Contains("seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC", StringComparison.Ordinal)).Skip(1)
            .Select(static line => (Call().Match(line), line)).Where(static pair => pair.Item1.Success && pair.Item1.Groups["name"].Value != "seccomp")
            .Select(static pair => (pair.Item1.Groups["name"].Value, pair.line.Contains("= -1 EPERM", StringComparison.Ordinal)))];

    [GeneratedRegex(@"^\d+ +(?:<\.\.\. )?(?<name>\w+)(?:\(| resumed>)")]
    private static partial Regex Call();
}
