using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>Turns the errno of a file system call into an error for the host.</summary>
internal static class FileFailure
{
    /// <summary>The exception for the last failed call.</summary>
    /// <param name="action">What was tried: "open", "write".</param>
    /// <param name="place">On what, already safe for a log.</param>
    public static FileException OfLast(string action, string place) => Of(Errno.Last, action, place);

    /// <summary>The exception for an errno.</summary>
    public static FileException Of(int errno, string action, string place)
    {
        var (code, errorClass, what) = errno switch
        {
            Errno.ENOENT => (ChannelError.NotFound, ErrorClass.Refused, "it does not exist"),
            Errno.ENOTDIR => (ChannelError.NotFound, ErrorClass.Refused, "a part of the path is a file, not a folder"),
            Errno.ELOOP => (ChannelError.PermissionDenied, ErrorClass.Refused, "a part of the path is a symbolic link; name the file by its real path"),
            Errno.EACCES or Errno.EPERM => (ChannelError.PermissionDenied, ErrorClass.Refused, "the guest's system does not let the agent"),
            Errno.EROFS => (ChannelError.FailedPrecondition, ErrorClass.Refused, "the file system is read-only"),
            Errno.EISDIR => (ChannelError.FailedPrecondition, ErrorClass.Refused, "it is a folder"),
            Errno.EEXIST => (ChannelError.FailedPrecondition, ErrorClass.Refused, "it exists; ask to overwrite it (channelctl cp --overwrite), or choose another name"),
            Errno.EBUSY => (ChannelError.FailedPrecondition, ErrorClass.Retry, "it is in use: mounted, frozen or held by somebody"),
            Errno.ETXTBSY => (ChannelError.FailedPrecondition, ErrorClass.Retry, "it is a program that runs"),
            Errno.ENXIO or Errno.ENODEV => (ChannelError.FailedPrecondition, ErrorClass.Refused, "there is nothing behind it"),
            Errno.ENOEXEC => (ChannelError.FailedPrecondition, ErrorClass.Refused, "it is no program that this system can run"),
            Errno.ENOSPC => (ChannelError.ResourceExhausted, ErrorClass.Refused, "the disk is full"),
            Errno.EDQUOT => (ChannelError.ResourceExhausted, ErrorClass.Refused, "the quota is used up"),
            Errno.EFBIG => (ChannelError.ResourceExhausted, ErrorClass.Refused, "the file system takes no file of this size"),
            Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM => (ChannelError.ResourceExhausted, ErrorClass.Retry, "the guest is out of files or memory"),
            Errno.ENAMETOOLONG => (ChannelError.InvalidArgument, ErrorClass.Refused, "its name is too long"),
            _ => (ChannelError.Internal, ErrorClass.MayHaveRun, Errno.Message(errno)),
        };
        return new FileException(errno, code, errorClass, $"cannot {action} {place}: {what} (errno {errno})");
    }
}
