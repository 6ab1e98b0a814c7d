using System.Text;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>Reads small text files below /proc, /sys and /etc with a bound.</summary>
internal static class SmallFile
{
    private const int MaxBytes = 16 * 1024;

    /// <summary>The first 16 KiB of a file, or an empty text if it cannot be read.</summary>
    public static string Read(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            Span<byte> bytes = new byte[MaxBytes];
            int length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return Encoding.UTF8.GetString(bytes[..length]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
