using System.Runtime.InteropServices;
using ChannelSdk.Protocol;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>Turns the errno of a file system call into what the host is told.</summary>
internal static class FileFailure
{
    public const int Eperm = 1;
    public const int Enoent = 2;
    public const int Eintr = 4;
    public const int Enxio = 6;
    public const int Eagain = 11;
    public const int Ebusy = 16;
    public const int Eexist = 17;
    public const int Enosys = 38;
    private const int Enomem = 12;
    private const int Eacces = 13;
    public const int Enotdir = 20;
    private const int Eisdir = 21;
    private const int Enfile = 23;
    private const int Emfile = 24;
    private const int Enodev = 19;
    private const int Etxtbsy = 26;
    private const int Enoexec = 8;
    private const int Efbig = 27;
    private const int Enospc = 28;
    private const int Erofs = 30;
    private const int Enametoolong = 36;
    public const int Eloop = 40;
    private const int Edquot = 122;

    /// <summary>The errno of the last failed call on this thread.</summary>
    public static int Last => Marshal.GetLastPInvokeError();

    /// <summary>The exception for the last failed call.</summary>
    /// <param name="action">What was tried: "open", "write".</param>
    /// <param name="place">On what, already safe for a log.</param>
    public static FileException OfLast(string action, string place) => Of(Last, action, place);

    /// <summary>The exception for an errno.</summary>
    public static FileException Of(int errno, string action, string place)
    {
        (ChannelError code, ErrorClass errorClass, string what) = errno switch
        {
            Enoent => (ChannelError.NotFound, ErrorClass.Refused, "it does not exist"),
            Enotdir => (ChannelError.NotFound, ErrorClass.Refused, "a part of the path is a file, not a folder"),
            Eloop => (ChannelError.PermissionDenied, ErrorClass.Refused, "a part of the path is a symbolic link; name the file by its real path"),
            Eacces or Eperm => (ChannelError.PermissionDenied, ErrorClass.Refused, "the guest's system does not let the agent"),
            Erofs => (ChannelError.FailedPrecondition, ErrorClass.Refused, "the file system is read-only"),
            Eisdir => (ChannelError.FailedPrecondition, ErrorClass.Refused, "it is a folder"),
            Eexist => (ChannelError.FailedPrecondition, ErrorClass.Refused, "it exists; ask to overwrite it (channelctl cp --overwrite), or choose another name"),
            Ebusy => (ChannelError.FailedPrecondition, ErrorClass.Retry, "it is in use: mounted, frozen or held by somebody"),
            Etxtbsy => (ChannelError.FailedPrecondition, ErrorClass.Retry, "it is a program that runs"),
            Enxio or Enodev => (ChannelError.FailedPrecondition, ErrorClass.Refused, "there is nothing behind it"),
            Enoexec => (ChannelError.FailedPrecondition, ErrorClass.Refused, "it is no program that this system can run"),
            Enospc => (ChannelError.ResourceExhausted, ErrorClass.Refused, "the disk is full"),
            Edquot => (ChannelError.ResourceExhausted, ErrorClass.Refused, "the quota is used up"),
            Efbig => (ChannelError.ResourceExhausted, ErrorClass.Refused, "the file system takes no file of this size"),
            Emfile or Enfile or Enomem => (ChannelError.ResourceExhausted, ErrorClass.Retry, "the guest is out of files or memory"),
            Enametoolong => (ChannelError.InvalidArgument, ErrorClass.Refused, "its name is too long"),
            _ => (ChannelError.Internal, ErrorClass.MayHaveRun, Marshal.GetPInvokeErrorMessage(errno)),
        };
        return new FileException(errno, code, errorClass, $"cannot {action} {place}: {what} (errno {errno})");
    }
}
