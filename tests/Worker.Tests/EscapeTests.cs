using System.Globalization;
using ChannelSdk.Host.Workers;

namespace ChannelSdk.Worker.Tests;

/// <summary>What a worker that was taken over tries, from inside of it, on both of its threads: each is refused, or ends it.</summary>
public sealed class EscapeTests : IDisposable
{
    // 128 and SIGSYS: the filter has ended it.
    private const string Killed = "ended 159";
    private const string Refused = "errno 1";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("worker-");

    public void Dispose() => _folder.Delete(recursive: true);

    public static TheoryData<string, string> Tries => new()
    {
        { "open /etc/shadow", Refused },
        { "open /etc/passwd", Refused },
        { "open /proc/1/mem", Refused },
        { "open /proc/self/mem", Refused },
        { "open /proc/self/maps", Refused },
        { "open /proc/1/environ", Refused },
        { "open /proc/sys/kernel/core_pattern", Refused },
        { "open /dev/kvm", Refused },
        { "open /sys/kernel/debug", Refused },
        { "list /", Refused },
        { "list .", Refused },
        { "stat /etc/passwd", Refused },
        // inet, inet6, unix, netlink, packet, vsock; stream or raw.
        { "socket 2 1 0", Refused },
        { "socket 2 3 1", Refused },
        { "socket 10 1 0", Refused },
        { "socket 1 1 0", Refused },
        { "socket 16 3 0", Refused },
        { "socket 17 3 0", Refused },
        { "socket 40 1 0", Refused },
        // socketpair.
        { "call 53 1 1 0", Refused },
        { "connect-control", Refused },
        { "bind-control", Refused },
        // listen, setsockopt.
        { "call 50 3 1", Refused },
        { "call 54 3 1 7", Refused },
        // write to the lock of its user, and to where the runtime has random numbers from: neither is open for that.
        { "call 1 4 0 1", "errno 9" },
        { "call 1 60 0 1", "errno 9" },
        // getpid, by the numbers of x32.
        { "call 1073741863", Killed },
        { "execve", Killed },
        // execveat.
        { "call 322 -100 0 0 0 0", Killed },
        { "fork", Refused },
        // fork, vfork.
        { "call 57", Killed },
        { "call 58", Killed },
        // clone3: none is there.
        { "call 435 0 0", "errno 38" },
        // A thread in namespaces of its own: user, network, mount.
        { "call 56 268503296", Refused },
        { "call 56 1073809664", Refused },
        { "call 56 198912", Refused },
        // ptrace: TRACEME, ATTACH; process_vm_readv and process_vm_writev of 1; pidfd_open, pidfd_getfd, kcmp.
        { "call 101 0 0", Killed },
        { "call 101 16 1", Killed },
        { "call 310 1 0 0", Killed },
        { "call 311 1 0 0", Killed },
        { "call 434 1 0", Refused },
        { "call 438 3 3 0", Killed },
        { "call 312 1 1 0", Killed },
        // kill, tkill, rt_sigqueueinfo of 1 and of all; tgkill of another.
        { "call 62 1 9", Refused },
        { "call 62 -1 9", Refused },
        { "call 200 1 9", Refused },
        { "call 129 1 9 0", Refused },
        { "call 234 77 77 9", Refused },
        // mount, umount2, pivot_root, chroot, fsopen, open_tree.
        { "call 165 0 0 0", Killed },
        { "call 166 0 0 0", Killed },
        { "call 155 0 0 0", Killed },
        { "call 161 0 0 0", Killed },
        { "call 430 0 0 0", Killed },
        { "call 428 0 0 0", Killed },
        // unshare: user, network; setns.
        { "call 272 268435456", Killed },
        { "call 272 1073741824", Killed },
        { "call 308 3 0", Killed },
        // add_key, request_key, keyctl.
        { "call 248 0 0", Killed },
        { "call 249 0 0", Killed },
        { "call 250 0 0", Killed },
        { "call 321 0 0 0", Killed },
        { "call 298 0 0 0", Killed },
        // io_uring_setup, userfaultfd.
        { "call 425 1 0", Killed },
        { "call 323 0", Killed },
        // init_module, finit_module, kexec_load, reboot, personality.
        { "call 175 0 0 0", Killed },
        { "call 313 3 0 0", Killed },
        { "call 246 0 0 0", Killed },
        { "call 169 0 0 0", Killed },
        { "call 135 4194304", Killed },
        { "executable-memory", Refused },
        { "executable-protection", Refused },
        // pkey_mprotect, shmget, shmat, memfd_create.
        { "call 329 0 4096 5 -1", Refused },
        { "call 29 0 4096 511", Refused },
        { "call 30 0 0 0", Refused },
        { "call 319 0 0", Refused },
        // setuid, setresuid, setgid, setgroups, capset.
        { "call 105 0", Refused },
        { "call 117 0 0 0", Refused },
        { "call 106 0", Refused },
        { "call 116 0 0", Refused },
        { "call 126 0 0", Refused },
        { "limits", "errno 1 errno 1" },
        // prctl: DUMPABLE, PDEATHSIG, SECCOMP, PTRACER.
        { "call 157 4 1", Refused },
        { "call 157 1 9", Refused },
        { "call 157 22 0", Refused },
        { "call 157 1499557217 1", Refused },
        // Another filter, another landlock.
        { "call 317 0 0 0", Refused },
        { "call 446 3 0", Refused },
        // ioctl of the control socket, fcntl: F_SETOWN, F_SETFL.
        { "call 16 3 21531 0", Refused },
        { "call 72 3 8 1", Refused },
        { "call 72 3 4 0", Refused },
        // sched_setscheduler, setpriority, ioprio_set, mlockall.
        { "call 144 0 1 0", Refused },
        { "call 141 0 0 -20", Refused },
        { "call 251 1 0 0", Refused },
        { "call 151 1", Refused },
    };

    [Theory]
    [MemberData(nameof(Tries))]
    public async Task What_a_worker_tries_is_refused_on_each_of_its_threads(string probe, string expected)
    {
        foreach (var thread in (string[])["", "!"])
        {
            await using var worker = await ProbedWorker.StartAsync();
            Assert.Equal(expected, await worker.TryAsync(thread + probe));
            if (expected != Killed)
            {
                // It lives, and serves.
                Assert.NotEqual(Killed, await worker.TryAsync("id"));
            }
        }
    }

    [Fact]
    public async Task A_worker_opens_no_file_of_the_host_and_none_of_another_instance()
    {
        var records = _folder.CreateSubdirectory("records");
        var secret = Path.Combine(records.FullName, "vm2.json");
        await File.WriteAllTextAsync(secret, "{}");
        File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        await using var other = await ProbedWorker.StartAsync();
        await using var worker = await ProbedWorker.StartAsync();
        foreach (var path in (string[])[secret, records.FullName, $"/proc/{other.Process.ProcessId}/mem", $"/proc/{other.Process.ProcessId}/fd/3", $"/proc/{Environment.ProcessId}/mem", WorkerPrograms.Probe])
        {
            Assert.True(Path.Exists(path) || path.EndsWith("/fd/3", StringComparison.Ordinal), path);
            Assert.Equal(Refused, await worker.TryAsync($"open {path}"));
        }
    }

    [Fact]
    public async Task A_worker_signals_neither_the_host_manager_nor_another_worker()
    {
        await using var other = await ProbedWorker.StartAsync();
        await using var worker = await ProbedWorker.StartAsync();
        foreach (var pid in (int[])[Environment.ProcessId, other.Process.ProcessId])
        {
            var number = pid.ToString(CultureInfo.InvariantCulture);
            // kill, tgkill, pidfd_open.
            Assert.Equal(Refused, await worker.TryAsync($"call 62 {number} 9"));
            Assert.Equal(Refused, await worker.TryAsync($"call 234 {number} {number} 9"));
            Assert.Equal(Refused, await worker.TryAsync($"call 434 {number} 0"));
            Assert.Equal(Refused, await worker.TryAsync($"!call 62 {number} 9"));
        }

        Assert.False(other.Process.Exited.IsCompleted);
        Assert.Equal("1", await other.TryAsync("id"));
    }

    [Fact]
    public async Task Another_process_of_the_workers_user_could_not_read_its_memory()
    {
        await using var worker = await ProbedWorker.StartAsync();
        Assert.Equal(Refused, await worker.TryAsync("call 157 4 1"));
        // What belongs to root in there belongs to the user of a process that can be dumped.
        var user = worker.Process.Confinement.User!.Value;
        var process = $"/proc/{worker.Process.ProcessId}";
        var owner = ChannelSdk.Linux.Files.FileOwner.Of($"{process}/maps");
        Assert.Equal(0u, owner!.Value.Uid);
        Assert.NotEqual(0u, user);
        Assert.Equal(WorkerMeasure.Undumpable, Assert.Single([WorkerMeasure.Undumpable], worker.Process.Confinement.Holds));
    }
}
