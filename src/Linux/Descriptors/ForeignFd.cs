using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>
/// A descriptor whose open file another process has too, or through which it can send open files. The thread that releases it last
/// only hands it to the closer. Its flags are shared with that process, so they are neither changed nor relied on.
/// </summary>
public sealed class ForeignFd : SafeFd
{
    public ForeignFd(int fd, ForeignCloser closer) : base(fd) => Closer = closer;

    /// <summary>Closes it, and what came through it.</summary>
    public ForeignCloser Closer { get; }

    /// <summary>Tells the other end of this socket that it is over, which the close would do late.</summary>
    public void EndSocket() => _ = SocketCalls.Shutdown(this, Abi.SHUT_RDWR);

    protected override bool ReleaseHandle()
    {
        Closer.Close((int)handle);
        return true;
    }
}
