namespace ChannelSdk.Transports.Native;

/// <summary>
/// A descriptor whose open file another process has too, or through which it can send open files. Whatever thread lets it go last
/// only hands it to the closer. Its flags are shared with that process, so they are neither changed nor relied on.
/// </summary>
internal sealed class ForeignFd : SafeFd
{
    internal ForeignFd(int fd, ForeignCloser closer) : base(fd) => Closer = closer;

    /// <summary>Closes it, and what came through it.</summary>
    internal ForeignCloser Closer { get; }

    /// <summary>Tells the other end of this socket that it is over, which the close would do late.</summary>
    internal void EndSocket() => _ = Libc.Shutdown(this, Linux.SHUT_RDWR);

    protected override bool ReleaseHandle()
    {
        Closer.Close((int)handle);
        return true;
    }
}
