using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Xen.Vchan;

namespace ChannelSdk.Worker.Confinement;

/// <summary>A condition on an argument of a system call: its bits under a mask have a value.</summary>
/// <param name="Argument">Its place, from 0.</param>
/// <param name="Mask">The bits that count.</param>
/// <param name="Value">What they must be.</param>
internal readonly record struct ArgumentTest(uint Argument, ulong Mask, ulong Value);

/// <summary>A system call that is allowed.</summary>
/// <param name="Name">Its name in the kernel's table (syscalls(2)).</param>
/// <param name="Tests">What must be true of its arguments; all of them.</param>
internal sealed record AllowedCall(string Name, params ArgumentTest[] Tests);

/// <summary>
/// The system calls of a worker, as data. <c>SystemCallTests</c> compares it with what a worker calls: a call that is missing here fails
/// it, and one that no worker makes. A transport that needs more adds a group of its own.
/// </summary>
internal static class SystemCallList
{
    private const ulong AllBits = ulong.MaxValue;
    private const ulong IntBits = uint.MaxValue;
    private const ulong Executable = 4;
    private const ulong PrivateExpedited = 8;
    private const ulong GetSeals = Abi.F_GET_SEALS;

    // linux/sched.h. A thread shares memory, signal handlers and the process; what makes namespaces is none.
    private const ulong NewThread = 0x00000100 | 0x00000800 | 0x00010000;
    private const ulong NewNamespaces = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;

    /// <summary>Memory of the runtime and the C library, none of it executable.</summary>
    public static IReadOnlyList<AllowedCall> Memory { get; } =
    [
        new("mmap", new ArgumentTest(2, Executable, 0)),
        new("mprotect", new ArgumentTest(2, Executable, 0)),
        new("munmap"),
        new("mremap"),
        new("madvise"),
        new("brk"),
        // What the collector asks for.
        new("membarrier", new ArgumentTest(0, IntBits, PrivateExpedited)),
    ];

    /// <summary>Threads: made, waiting, asked to stop for the collector, ended.</summary>
    public static IReadOnlyList<AllowedCall> Threads { get; } =
    [
        new("clone", new ArgumentTest(0, NewThread | NewNamespaces, NewThread)),
        new("set_robust_list"),
        new("rseq"),
        new("futex"),
        new("sched_yield"),
        new("sched_getaffinity"),
        new("gettid"),
        new("getpid"),
        new("rt_sigprocmask"),
        new("rt_sigaction"),
        new("rt_sigreturn"),
        new("sigaltstack"),
        new("exit"),
        new("exit_group"),
        // The bounds of its stack, which a thread asks for; not to set any.
        new("prlimit64", new ArgumentTest(0, IntBits, 0), new ArgumentTest(2, AllBits, 0)),
    ];

    /// <summary>Time, where the kernel does not give it without a call, and random numbers.</summary>
    public static IReadOnlyList<AllowedCall> Time { get; } =
    [
        new("clock_gettime"),
        new("clock_nanosleep"),
        new("getrusage"),
        new("getrandom"),
    ];

    /// <summary>Descriptors that the worker was given.</summary>
    public static IReadOnlyList<AllowedCall> Descriptors { get; } =
    [
        new("read"),
        new("write"),
        new("close"),
        new("recvfrom"),
        // Without an address: the socket is connected.
        new("sendto", new ArgumentTest(4, AllBits, 0)),
        new("recvmsg"),
        new("sendmsg"),
        new("accept4"),
        new("shutdown"),
        new("getsockopt"),
        new("poll"),
        new("epoll_ctl"),
        new("epoll_wait"),
        new("eventfd2"),
    ];

    /// <summary>
    /// What the worker of a vsock device calls besides: interrupts, by asynchronous requests that read nothing from /dev/null, and what makes sure that
    /// a front-end's memory stays as large as it is. No call of them has a path.
    /// </summary>
    public static IReadOnlyList<AllowedCall> Device { get; } =
    [
        new("io_submit"),
        new("io_getevents"),
        new("fcntl", new ArgumentTest(1, IntBits, GetSeals)),
        new("fstat"),
    ];

    /// <summary>
    /// What the worker of a vchan calls besides, on the files that it is given: an event to the other domain, and the one that the kernel raises, and the byte
    /// that it clears, when the memory is unmapped. The structure of the latter is in memory, where no filter sees it: with it a worker can have an event raised at any port
    /// of this domain's, which is an event without bytes there.
    /// </summary>
    public static IReadOnlyList<AllowedCall> Vchan { get; } =
    [
        new("ioctl", new ArgumentTest(1, IntBits, VchanHandover.EventNotify)),
        new("ioctl", new ArgumentTest(1, IntBits, VchanHandover.SetUnmapNotify)),
    ];

    /// <summary>
    /// What ends the process: calls that no program makes that parses bytes, so a process that makes one was taken over. All others that
    /// are not allowed fail with EPERM, as the runtime and the C library look for files (the state of memory, a name of a thread) and go on without them.
    /// </summary>
    public static IReadOnlyList<string> Deadly { get; } =
    [
        "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",
        "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
        "setns", "unshare", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
        "keyctl", "add_key", "request_key", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
        "open_by_handle_at", "name_to_handle_at", "reboot", "swapon", "swapoff", "acct", "syslog", "quotactl", "personality",
        "iopl", "ioperm", "modify_ldt", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname",
    ];

    /// <summary>What a worker may call.</summary>
    public static IReadOnlyList<AllowedCall> Worker { get; } = [.. Memory, .. Threads, .. Time, .. Descriptors];

    /// <summary>What the worker of a device may call.</summary>
    public static IReadOnlyList<AllowedCall> DeviceWorker { get; } = [.. Worker, .. Device];

    /// <summary>What a worker may call by what it is given for a link.</summary>
    public static IReadOnlyList<AllowedCall> Of(BrokeredKind kind) => kind switch
    {
        BrokeredKind.VsockDevice => DeviceWorker,
        BrokeredKind.Vchan => [.. Worker, .. Vchan],
        _ => Worker,
    };
}
