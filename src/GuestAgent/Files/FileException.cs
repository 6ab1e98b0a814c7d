using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>The errno of a failed file system call. The thread's last errno has changed by the time that this is caught.</summary>
internal sealed class FileException(int errno, ChannelError code, ErrorClass errorClass, string message) : ChannelException(code, errorClass, message)
{
    /// <summary>The errno.</summary>
    public int Errno => errno;
}
