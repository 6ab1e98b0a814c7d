using System.Text;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>Writes text to standard output or standard error; System.Console would add its size and a terminal setup.</summary>
public static class StandardStream
{
    public const int Output = 1;
    public const int Error = 2;

    /// <summary>Writes a text and a line end with one call where the kernel takes it; a failure has nowhere to go.</summary>
    public static unsafe void WriteLine(int fd, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text + "\n");
        fixed (byte* start = bytes)
        {
            var done = 0;
            while (done < bytes.Length)
            {
                var written = DescriptorCalls.Write(fd, start + done, (nuint)(bytes.Length - done));
                if (written <= 0)
                {
                    return;
                }

                done += (int)written;
            }
        }
    }
}
