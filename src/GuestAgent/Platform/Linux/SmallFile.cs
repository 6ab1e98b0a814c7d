using System.Text;
using ChannelSdk.Transports.Native;
using Native = ChannelSdk.Transports.Native;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>
/// Reads files with a bound, by the system calls alone: most are a line of /proc or /sys, and a stream's set-up would cost
/// more than what is read.
/// </summary>
internal static class SmallFile
{
    private const int MaxText = 16 * 1024;
    private const int FirstRead = 4 * 1024;

    /// <summary>The first 16 KiB of a file, or an empty text if it cannot be read.</summary>
    public static string Read(string path) =>
        TryRead(path, MaxText, out ReadOnlySpan<byte> bytes) == 0 ? Encoding.UTF8.GetString(bytes) : "";

    /// <summary>The beginning of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">How many bytes of it are read at most.</param>
    /// <param name="bytes">What was read; empty after a failure.</param>
    /// <returns>0, or the errno of the call that failed.</returns>
    public static unsafe int TryRead(string path, int most, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        using var file = new SafeFd(Native.Libc.Open(path, Native.Linux.O_CLOEXEC, 0));
        if (file.IsInvalid)
        {
            return Errno.Last;
        }
        byte[] buffer = new byte[Math.Min(most, FirstRead)];
        int length = 0;
        while (length < most)
        {
            if (length == buffer.Length)
            {
                Array.Resize(ref buffer, Math.Min(most, length * 2));
            }
            nint count;
            fixed (byte* start = buffer)
            {
                count = Native.Libc.Read(file, start + length, (nuint)(buffer.Length - length));
            }
            if (count == 0)
            {
                break;
            }
            if (count > 0)
            {
                length += (int)count;
            }
            else if (Errno.Last != Errno.EINTR)
            {
                return Errno.Last;
            }
        }
        bytes = buffer.AsSpan(0, length);
        return 0;
    }
}
