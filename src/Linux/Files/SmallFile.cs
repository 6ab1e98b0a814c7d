using System.Text;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Files;

/// <summary>
/// Reads files with a bound, by the system calls alone: most are a line of /proc or /sys, and a stream's set-up would cost
/// more than what is read.
/// </summary>
public static class SmallFile
{
    private const int MaxText = 16 * 1024;
    private const int FirstRead = 4 * 1024;

    /// <summary>The first 16 KiB of a file, or an empty text if it cannot be read.</summary>
    public static string Read(string path) =>
        TryRead(path, MaxText, out var bytes) == 0 ? Encoding.UTF8.GetString(bytes) : "";

    /// <summary>Writes a text to a file that is there, as one of the kernel's; false if that failed.</summary>
    public static bool TryWrite(string path, string text)
    {
        try
        {
            File.WriteAllText(path, text);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The beginning of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">How many bytes of it are read at most.</param>
    /// <param name="bytes">What was read; empty after a failure.</param>
    /// <returns>0, or the errno of the call that failed.</returns>
    public static unsafe int TryRead(string path, int most, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        using var file = new SafeFd(FileCalls.Open(path, Abi.O_CLOEXEC, 0));
        if (file.IsInvalid)
        {
            return Errno.Last;
        }

        var buffer = new byte[Math.Min(most, FirstRead)];
        var length = 0;
        while (length < most)
        {
            if (length == buffer.Length)
            {
                Array.Resize(ref buffer, Math.Min(most, length * 2));
            }

            nint count;
            fixed (byte* start = buffer)
            {
                count = DescriptorCalls.Read(file, start + length, (nuint)(buffer.Length - length));
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
