using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>What a failed system call means to the user of an endpoint.</summary>
internal static class EndpointFault
{
    /// <summary>The exception for a failed call on an endpoint.</summary>
    /// <param name="errno">The error number.</param>
    /// <param name="action">What was tried, as "dial" or "open"; the text begins with "cannot".</param>
    /// <param name="place">The path it was tried on.</param>
    /// <param name="advice">What the person can do, without a full stop; null for the general advice of the errno.</param>
    internal static ChannelException ToException(int errno, string action, string place, string? advice = null)
    {
        var (code, errorClass, general) = Meaning(errno);
        return new ChannelException(code, errorClass,
            $"cannot {action} {place}: {Errno.Describe(errno)}; {advice ?? general}");
    }

    private static (ChannelError Code, ErrorClass Class, string Advice) Meaning(int errno) => errno switch
    {
        Errno.ENOENT => (ChannelError.EndpointMissing, ErrorClass.Retry,
            "check the path, and that the program that makes it has been started"),
        Errno.ECONNREFUSED => (ChannelError.EndpointMissing, ErrorClass.Retry,
            "the socket file is there but nobody listens on it; start the program that should"),
        Errno.ENXIO or Errno.ENODEV => (ChannelError.EndpointMissing, ErrorClass.Retry,
            "the device is not plugged in; check the virtual machine's devices"),
        Errno.ENOTDIR => (ChannelError.EndpointMissing, ErrorClass.Refused,
            "a part of the path is a file, not a directory; correct the path"),
        Errno.ENAMETOOLONG or Errno.ELOOP => (ChannelError.EndpointMissing, ErrorClass.Refused,
            "use a shorter path without loops of symbolic links"),
        Errno.EACCES or Errno.EPERM => (ChannelError.EndpointDenied, ErrorClass.Refused,
            "run as a user that may use it, or change the owner or mode of it and of its directories"),
        Errno.EROFS => (ChannelError.EndpointDenied, ErrorClass.Refused,
            "the file system is read-only; use a path on a writable one, for instance under /run"),
        Errno.EBUSY or Errno.EADDRINUSE => (ChannelError.EndpointBusy, ErrorClass.Retry,
            "another program uses it; stop that program, or use another endpoint"),
        Errno.EAGAIN => (ChannelError.EndpointBusy, ErrorClass.Retry,
            "too many connections wait there to be accepted: the program that listens serves another client, or hangs"),
        Errno.EMFILE or Errno.ENFILE => (ChannelError.TransportFailed, ErrorClass.Retry,
            "too many files are open; raise the limit (ulimit -n) or close some"),
        Errno.EPROTOTYPE or Errno.EISDIR => (ChannelError.TransportFailed, ErrorClass.Refused,
            "what is there is of another kind; correct the path"),
        _ => (ChannelError.TransportFailed, ErrorClass.Retry, "the operating system refused the call"),
    };
}
