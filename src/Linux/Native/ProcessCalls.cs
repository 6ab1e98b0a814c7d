using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Native;

/// <summary>
/// The system calls of processes. Each returns what the C function returns; after -1 the errno is in <see cref="Errno.Last"/>.
/// The calls of posix_spawn(3) return the errno itself.
/// </summary>
public static unsafe partial class ProcessCalls
{
    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint GetEUid();

    // glibc 2.30, musl 1.2.2.
    [LibraryImport("libc", EntryPoint = "gettid")]
    public static partial int GetTid();

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    public static partial int WaitPid(int pid, out int status, int options);

    /// <summary>pidfd_open(2), Linux 5.3.</summary>
    public static int PidFdOpen(int pid) => (int)SystemCalls.Syscall(Abi.SYS_pidfd_open, pid, 0, 0, 0, 0);

    /// <summary>pidfd_send_signal(2), Linux 5.1.</summary>
    public static int PidFdSendSignal(SafeFileHandle pidFd, int signal) => (int)SystemCalls.Syscall(Abi.SYS_pidfd_send_signal, pidFd, signal, 0, 0);

    [LibraryImport("libc", EntryPoint = "posix_spawn")]
    public static partial int PosixSpawn(out int pid, byte* path, byte* fileActions, byte* attributes, byte** argv, byte** envp);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    public static partial int SpawnAttributesInit(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    public static partial int SpawnAttributesSetFlags(byte* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    public static partial int SpawnAttributesSetSigDefault(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    public static partial int SpawnAttributesSetSigMask(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    public static partial int SpawnAttributesDestroy(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int SpawnActionsInit(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addopen")]
    public static partial int SpawnActionsAddOpen(byte* actions, int fd, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int SpawnActionsAddDup2(byte* actions, int fd, int number);

    // glibc 2.29, musl 1.1.24.
    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addfchdir_np")]
    public static partial int SpawnActionsAddFChDir(byte* actions, int fd);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int SpawnActionsDestroy(byte* actions);

    [LibraryImport("libc", EntryPoint = "sigfillset")]
    public static partial int SigFillSet(byte* signals);

    [LibraryImport("libc", EntryPoint = "sigemptyset")]
    public static partial int SigEmptySet(byte* signals);
}
