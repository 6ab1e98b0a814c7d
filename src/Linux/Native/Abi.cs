using System.Runtime.InteropServices;

namespace ChannelSdk.Linux.Native;

/// <summary>
/// Numbers of the kernel's and the C library's interface, by the names that the manual pages use. Those that differ between
/// processor architectures stand first, a row each; x86-64 and arm64 are known, any other is refused.
/// </summary>
public static class Abi
{
    // asm/fcntl.h: arm64 has other values, and gives these to O_DIRECT and O_LARGEFILE.
    public static int O_DIRECTORY => Of(x64: 0x10000, arm64: 0x4000);
    public static int O_NOFOLLOW => Of(x64: 0x20000, arm64: 0x8000);
    public static int O_TMPFILE => 0x400000 | O_DIRECTORY;

    // asm/unistd.h.
    public static int SYS_io_setup => Of(x64: 206, arm64: 0);
    public static int SYS_io_submit => Of(x64: 209, arm64: 2);
    public static int SYS_io_getevents => Of(x64: 208, arm64: 4);
    public static int SYS_fstat => Of(x64: 5, arm64: 80);
    public static int SYS_getdents64 => Of(x64: 217, arm64: 61);
    public static int SYS_renameat2 => Of(x64: 316, arm64: 276);

    // sys/epoll.h: struct epoll_event is packed on x86-64 only.
    public static int EpollEventSize => Of(x64: 12, arm64: 16);
    public static int EpollEventData => Of(x64: 4, arm64: 8);

    // From Linux 4.20 on, new calls have the same number everywhere.
    public const int SYS_pidfd_send_signal = 424;
    public const int SYS_pidfd_open = 434;
    public const int SYS_openat2 = 437;

    public const int AF_UNIX = 1;
    public const int AF_INET = 2;
    public const int AF_INET6 = 10;
    public const int AF_NETLINK = 16;
    public const int AF_VSOCK = 40;
    public const int SOCK_STREAM = 1;
    public const int SOCK_DGRAM = 2;
    public const int SOCK_RAW = 3;
    public const int SOCK_SEQPACKET = 5;
    public const int SOCK_NONBLOCK = 0x800;
    public const int SOCK_CLOEXEC = 0x80000;
    public const int SOL_SOCKET = 1;
    public const int SO_REUSEADDR = 2;
    public const int SO_TYPE = 3;
    public const int SO_ERROR = 4;
    public const int SO_KEEPALIVE = 9;
    public const int SO_PEERCRED = 17;
    public const int IPPROTO_IP = 0;
    public const int IP_FREEBIND = 15;
    public const int IPPROTO_TCP = 6;
    public const int IPPROTO_IPV6 = 41;
    public const int IPV6_FREEBIND = 78;
    public const int TCP_NODELAY = 1;
    public const int TCP_USER_TIMEOUT = 18;
    public const int SCM_RIGHTS = 1;
    public const int MSG_CTRUNC = 0x8;
    public const int MSG_DONTWAIT = 0x40;
    public const int MSG_NOSIGNAL = 0x4000;
    public const int MSG_CMSG_CLOEXEC = 0x40000000;
    public const int SHUT_WR = 1;
    public const int SHUT_RDWR = 2;

    public const int O_RDONLY = 0;
    public const int O_WRONLY = 1;
    public const int O_RDWR = 2;
    public const int O_CREAT = 0x40;
    public const int O_EXCL = 0x80;
    public const int O_APPEND = 0x400;
    public const int O_NOCTTY = 0x100;
    public const int O_NONBLOCK = 0x800;
    public const int O_CLOEXEC = 0x80000;
    public const int O_PATH = 0x200000;

    public const int AT_FDCWD = -100;
    public const int AT_SYMLINK_NOFOLLOW = 0x100;
    public const int AT_REMOVEDIR = 0x200;
    public const int AT_EMPTY_PATH = 0x1000;
    public const ulong RESOLVE_NO_MAGICLINKS = 0x02;
    public const ulong RESOLVE_NO_SYMLINKS = 0x04;
    public const ulong RESOLVE_BENEATH = 0x08;
    public const ulong RESOLVE_IN_ROOT = 0x10;
    public const uint STATX_TYPE = 0x1;
    public const uint STATX_MODE = 0x2;
    public const uint STATX_UID = 0x8;
    public const uint STATX_GID = 0x10;
    public const uint STATX_INO = 0x100;
    public const uint STATX_SIZE = 0x200;
    public const uint STATX_BASIC_STATS = 0x7FF;
    public const ulong STATX_ATTR_MOUNT_ROOT = 0x2000;
    public const int S_IFMT = 0xF000;
    public const int S_IFDIR = 0x4000;
    public const int S_IFBLK = 0x6000;
    public const int S_IFREG = 0x8000;
    public const int S_IFLNK = 0xA000;
    public const int S_IFSOCK = 0xC000;
    public const int S_IRWXGO = 0x3F;
    public const int SEEK_DATA = 3;
    public const int SEEK_HOLE = 4;
    public const int LOCK_EX = 2;
    public const int LOCK_NB = 4;
    public const int LOCK_UN = 8;
    public const int RENAME_NOREPLACE = 1;
    public const long UTIME_OMIT = (1L << 30) - 2;
    public const int X_OK = 1;

    public const int F_GETFD = 1;
    public const int F_GETFL = 3;
    public const int F_SETFL = 4;
    public const int F_DUPFD_CLOEXEC = 1030;
    public const int F_SETPIPE_SZ = 1031;
    public const int F_ADD_SEALS = 1033;
    public const int F_GET_SEALS = 1034;
    public const int F_SEAL_SEAL = 0x1;
    public const int F_SEAL_SHRINK = 0x2;
    public const int F_SEAL_GROW = 0x4;
    public const int FD_CLOEXEC = 1;
    public const uint FIONREAD = 0x541B;
    public const int PROT_READ_WRITE = 3;
    public const int MAP_SHARED = 1;
    public const int MAP_PRIVATE_ANONYMOUS = 0x22;
    public const int MADV_REMOVE = 9;
    public const int MADV_DONTDUMP = 16;
    public const uint GRND_NONBLOCK = 1;
    public const uint GRND_INSECURE = 4;

    public const int EPOLL_CLOEXEC = 0x80000;
    public const int EPOLL_CTL_ADD = 1;
    public const int EPOLL_CTL_DEL = 2;
    public const int EPOLL_CTL_MOD = 3;
    public const uint EPOLLIN = 0x1;
    public const uint EPOLLOUT = 0x4;
    public const uint EPOLLERR = 0x8;
    public const uint EPOLLHUP = 0x10;
    public const uint EPOLLRDHUP = 0x2000;
    public const uint EPOLLET = 1u << 31;
    public const int EFD_NONBLOCK = 0x800;
    public const int EFD_CLOEXEC = 0x80000;
    public const short POLLIN = 0x1;
    public const short POLLOUT = 0x4;
    public const short POLLERR = 0x8;
    public const short POLLHUP = 0x10;
    public const short POLLNVAL = 0x20;

    public const int SIGHUP = 1;
    public const int SIGKILL = 9;
    public const int SIGUSR1 = 10;
    public const int SIGUSR2 = 12;
    public const int SIGTERM = 15;
    public const int WNOHANG = 1;
    public const short POSIX_SPAWN_SETSIGDEF = 0x04;
    public const short POSIX_SPAWN_SETSIGMASK = 0x08;
    public const short POSIX_SPAWN_SETSID = 0x80;
    public const int CLOCK_REALTIME = 0;
    public const int CLOCK_BOOTTIME = 7;
    public const uint IN_MODIFY = 0x2;
    public const int M_ARENA_MAX = -8;

    // A constant for the compiler, which leaves one of the two out.
    private static int Of(int x64, int arm64) => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => x64,
        Architecture.Arm64 => arm64,
        var other => throw new PlatformNotSupportedException($"Linux on {other} is not supported: its system calls and flags are not known here"),
    };
}
