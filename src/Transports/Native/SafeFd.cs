using System.Runtime.InteropServices;

namespace ChannelSdk.Transports.Native;

/// <summary>
/// An owned file descriptor. A call in flight keeps it open, so that its number is never reused under the call.
/// </summary>
internal class SafeFd : SafeHandle
{
    public SafeFd() : base(-1, ownsHandle: true)
    {
    }

    internal SafeFd(int fd) : this() => SetHandle(fd);

    public override bool IsInvalid => handle < 0;

    protected override bool ReleaseHandle() => Libc.Close((int)handle) == 0;
}
