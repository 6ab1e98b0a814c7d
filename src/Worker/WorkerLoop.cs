using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker;

/// <summary>What the worker does once it is confined.</summary>
internal static unsafe class WorkerLoop
{
    /// <summary>Serves until the control socket ends, with which the worker ends.</summary>
    /// <param name="control">The socket whose other end the host manager has.</param>
    /// <returns>The exit code.</returns>
    public static int Run(SafeFd control)
    {
        byte ignored;
        nint count;
        do
        {
            count = SocketCalls.Recv(control, &ignored, 1, 0);
        }
        while (count > 0 || (count < 0 && Errno.Last == Errno.EINTR));
        return 0;
    }
}
