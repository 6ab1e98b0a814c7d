using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Reactor;

/// <summary>A non-blocking connect of any socket family, from its first call to its link.</summary>
internal static class SocketDial
{
    /// <summary>Waits for a connect that was begun, and makes the link. The socket is disposed of when that fails.</summary>
    /// <param name="fd">The socket.</param>
    /// <param name="errno">What connect(2) gave: 0, or an errno.</param>
    /// <param name="error">The error of a failed connect, from its errno.</param>
    /// <param name="link">Makes the link of the connected socket.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal static async ValueTask<ITransportLink> FinishAsync(
        SafeFd fd, int errno, Func<int, ChannelException> error, Func<SafeFd, SocketLink> link, CancellationToken cancellationToken)
    {
        try
        {
            if (errno is Errno.EINPROGRESS or Errno.EINTR)
            {
                using var connect = new ConnectOperation(fd, error);
                await connect.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            else if (errno != 0)
            {
                throw error(errno);
            }

            return link(fd);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }
}
