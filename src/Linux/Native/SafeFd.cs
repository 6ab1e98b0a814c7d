using System.Runtime.InteropServices;

namespace ChannelSdk.Linux.Native;

/// <summary>
/// An owned file descriptor. A call in flight keeps it open, so that its number is never reused under the call.
/// </summary>
public class SafeFd : SafeHandle
{
    public SafeFd() : base(-1, ownsHandle: true)
    {
    }

    public SafeFd(int fd) : this() => SetHandle(fd);

    public override bool IsInvalid => handle < 0;

    protected override bool ReleaseHandle() => DescriptorCalls.Close((int)handle) == 0;
}
