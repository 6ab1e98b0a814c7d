using ChannelSdk.Protocol;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>What a file system call failed with. The thread's last errno is another one's by the time that somebody catches this.</summary>
internal sealed class FileException(int errno, ChannelError code, ErrorClass errorClass, string message) : ChannelException(code, errorClass, message)
{
    /// <summary>The errno.</summary>
    public int Errno => errno;
}
