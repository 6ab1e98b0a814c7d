using System.Diagnostics;
using System.Runtime.InteropServices;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.UnixSocket;

/// <summary>
/// The queue of connections that a program has not accepted yet. connect(2) succeeds as soon as a connection is in it, and QEMU,
/// which serves one client at a time, leaves the next one there: without asking, that looks like a guest that does not answer.
/// </summary>
public static class AcceptQueue
{
    /// <summary>A program that has not accepted for so long serves another one, or hangs.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    // Nothing tells the client that it was accepted.
    private static readonly TimeSpan s_firstLook = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMilliseconds(100);

    // linux/netlink.h, linux/sock_diag.h and linux/unix_diag.h
    private const int NetlinkSockDiag = 4;
    private const ushort SockDiagByFamily = 20;
    private const ushort IsRequest = 1;
    private const uint AllStates = uint.MaxValue;
    private const uint ShowPeer = 4;
    private const ushort PeerAttribute = 2;
    private const int HeaderWords = 4;
    private const int RequestWords = HeaderWords + 6;
    private const int AnswerWords = HeaderWords + 4;

    /// <summary>Waits until a connection is out of the queue: accepted, or gone.</summary>
    /// <param name="fd">A connected Unix socket of this process.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if it was in the queue for all of <see cref="Patience"/>. Where the kernel does not tell, it is taken to be out.</returns>
    public static async ValueTask<bool> WaitAsync(SafeHandle fd, CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        var wait = s_firstLook;
        while (Holds(fd))
        {
            if (Stopwatch.GetElapsedTime(start) >= Patience)
            {
                return false;
            }

            await Task.Delay(wait, cancellationToken).ConfigureAwait(false);
            wait = wait + wait < s_longestWait ? wait + wait : s_longestWait;
        }

        return true;
    }

    /// <summary>Whether a connection is in the queue of the program that it was made to.</summary>
    internal static unsafe bool Holds(SafeHandle fd)
    {
        using var hold = new HandleHold(fd);
        var poll = new PollFd { Fd = (int)fd.DangerousGetHandle() };
        // A connection that has ended looks like one that was not accepted yet.
        return PeerInode(poll.Fd) == 0 && DescriptorCalls.Poll(&poll, 1, 0) == 0;
    }

    /// <summary>What is told of a connection that stays in the queue.</summary>
    public static ChannelException Busy(string uri) => new(ChannelError.EndpointBusy, ErrorClass.Retry,
        $"nobody accepts the connection to {uri}: the program that listens there serves another client (QEMU has one at a time), is still starting, or hangs; "
        + "stop the other client");

    /// <summary>The inode of a connected socket's other end: 0 while it is not accepted, null if the kernel does not tell.</summary>
    private static unsafe uint? PeerInode(int fd)
    {
        if (FileIdentity.Of(fd) is not { } file)
        {
            return null;
        }

        var number = SocketCalls.Socket(Abi.AF_NETLINK, Abi.SOCK_RAW | Abi.SOCK_CLOEXEC, NetlinkSockDiag);
        if (number < 0)
        {
            return null;
        }

        using var netlink = new SafeFd(number);
        // struct nlmsghdr, then struct unix_diag_req: family, states, inode, what to show, no cookie.
        var request = stackalloc uint[RequestWords]
        {
            RequestWords * sizeof(uint), SockDiagByFamily | IsRequest << 16, 1, 0,
            Abi.AF_UNIX, AllStates, (uint)file.Inode, ShowPeer, uint.MaxValue, uint.MaxValue,
        };
        const int room = 64;
        var answer = stackalloc uint[room];
        if (SocketCalls.Send(netlink, request, RequestWords * sizeof(uint), Abi.MSG_DONTWAIT) < 0)
        {
            return null;
        }
        // The kernel has answered by the time that the request is sent.
        var words = SocketCalls.Recv(netlink, answer, room * sizeof(uint), Abi.MSG_DONTWAIT) / sizeof(uint);
        if (words < AnswerWords || (ushort)answer[1] != SockDiagByFamily)
        {
            return null;
        }
        // Attributes: length and type in one word, then the value, in whole words.
        for (nint at = AnswerWords; at + 1 < words; at += Math.Max(1, ((ushort)answer[at] + 3) / sizeof(uint)))
        {
            if (answer[at] >> 16 == PeerAttribute)
            {
                return answer[at + 1];
            }
        }

        return null;
    }
}
