using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Vsock.Kernel;

/// <summary>What error numbers mean on a vsock socket, where it differs from other sockets.</summary>
internal static class VsockErrors
{
    internal static ChannelException Of(int errno, string action, string uri) => errno switch
    {
        Errno.EAFNOSUPPORT => Missing(errno, action, uri,
            "this kernel has no vsock; load vmw_vsock_virtio_transport in a guest, vhost_vsock on a host"),
        Errno.ENODEV => Missing(errno, action, uri,
            "there is no vsock device to that CID; give the virtual machine one, or see whether it runs"),
        // A connect to a port without a listener is reset, not refused.
        Errno.ECONNRESET => Missing(errno, action, uri, "nobody listens on that port; start the program that should"),
        Errno.ETIMEDOUT => Missing(errno, action, uri, "the other side does not answer; see whether it runs"),
        _ => EndpointFault.ToException(errno, action, uri),
    };

    private static ChannelException Missing(int errno, string action, string uri, string advice) => new(
        ChannelError.EndpointMissing, ErrorClass.Retry, $"cannot {action} {uri}: {Errno.Describe(errno)}; {advice}");
}
