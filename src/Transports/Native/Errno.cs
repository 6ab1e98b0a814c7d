using System.Runtime.InteropServices;
using ChannelSdk.Protocol;

namespace ChannelSdk.Transports.Native;

/// <summary>Linux error numbers and what they mean to the user of an endpoint.</summary>
internal static class Errno
{
    internal const int EPERM = 1;
    internal const int ENOENT = 2;
    internal const int EINTR = 4;
    internal const int EIO = 5;
    internal const int ENXIO = 6;
    internal const int EAGAIN = 11;
    internal const int ENOMEM = 12;
    internal const int EACCES = 13;
    internal const int EBUSY = 16;
    internal const int EEXIST = 17;
    internal const int ENODEV = 19;
    internal const int ENOTDIR = 20;
    internal const int EISDIR = 21;
    internal const int EINVAL = 22;
    internal const int ENFILE = 23;
    internal const int EMFILE = 24;
    internal const int ENOSPC = 28;
    internal const int EROFS = 30;
    internal const int EPIPE = 32;
    internal const int ENAMETOOLONG = 36;
    internal const int ENOSYS = 38;
    internal const int ELOOP = 40;
    internal const int EPROTO = 71;
    internal const int EPROTOTYPE = 91;
    internal const int EAFNOSUPPORT = 97;
    internal const int EADDRINUSE = 98;
    internal const int ENETDOWN = 100;
    internal const int ENETUNREACH = 101;
    internal const int ECONNABORTED = 103;
    internal const int ECONNRESET = 104;
    internal const int ENOBUFS = 105;
    internal const int ENOTCONN = 107;
    internal const int ETIMEDOUT = 110;
    internal const int ECONNREFUSED = 111;
    internal const int EHOSTDOWN = 112;
    internal const int EHOSTUNREACH = 113;
    internal const int EINPROGRESS = 115;

    /// <summary>The errno of the last failed call on this thread.</summary>
    internal static int Last => Marshal.GetLastPInvokeError();

    /// <summary>The exception for a failed call on an endpoint.</summary>
    /// <param name="errno">The error number.</param>
    /// <param name="action">What was tried, as "dial" or "open"; the text begins with "Cannot".</param>
    /// <param name="place">The path it was tried on.</param>
    /// <param name="advice">What the person can do, a whole sentence; null for the general advice of the errno.</param>
    internal static ChannelException ToException(int errno, string action, string place, string? advice = null)
    {
        (ChannelError code, ErrorClass errorClass, string general) = Meaning(errno);
        return new ChannelException(code, errorClass,
            $"Cannot {action} {place}: {Describe(errno)}. {advice ?? general}");
    }

    internal static string Describe(int errno) => $"{Marshal.GetPInvokeErrorMessage(errno)} (errno {errno})";

    private static (ChannelError Code, ErrorClass Class, string Advice) Meaning(int errno) => errno switch
    {
        ENOENT => (ChannelError.EndpointMissing, ErrorClass.Retry,
            "Check the path, and that whatever makes it has been started."),
        ECONNREFUSED => (ChannelError.EndpointMissing, ErrorClass.Retry,
            "The socket file is there but nobody listens on it: start the program that should."),
        ENXIO or ENODEV => (ChannelError.EndpointMissing, ErrorClass.Retry,
            "The device is not plugged in: check the virtual machine's devices."),
        ENOTDIR => (ChannelError.EndpointMissing, ErrorClass.Refused,
            "A part of the path is a file, not a directory: correct the path."),
        ENAMETOOLONG or ELOOP => (ChannelError.EndpointMissing, ErrorClass.Refused,
            "Use a shorter path without loops of symbolic links."),
        EACCES or EPERM => (ChannelError.EndpointDenied, ErrorClass.Refused,
            "Run as a user that may use it, or change the owner or mode of it and of its directories."),
        EROFS => (ChannelError.EndpointDenied, ErrorClass.Refused,
            "The file system is read-only: use a path on a writable one, for instance under /run."),
        EBUSY or EADDRINUSE => (ChannelError.EndpointBusy, ErrorClass.Retry,
            "Another program uses it: stop that program, or use another endpoint."),
        EAGAIN => (ChannelError.EndpointBusy, ErrorClass.Retry,
            "Too many connections wait there to be accepted: the program that listens serves another client, or hangs."),
        EMFILE or ENFILE => (ChannelError.TransportFailed, ErrorClass.Retry,
            "Too many files are open: raise the limit (ulimit -n) or close some."),
        EPROTOTYPE or EISDIR => (ChannelError.TransportFailed, ErrorClass.Refused,
            "What is there is of another kind: correct the path."),
        _ => (ChannelError.TransportFailed, ErrorClass.Retry, "The operating system refused the call."),
    };
}
