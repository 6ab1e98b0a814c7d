using System.Text;
using ChannelSdk.Protocol;

namespace ChannelSdk.Runtime.Halves;

/// <summary>Bounds of what a script gives.</summary>
internal static class HalfBytes
{
    public static void Check(int length, string what)
    {
        if (length > HalfLimits.MaxMessage)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"{what} has {length} bytes; allowed are {HalfLimits.MaxMessage}");
        }
    }

    public static void CheckText(string text, int max, string what)
    {
        if (text.Length > max || Encoding.UTF8.GetByteCount(text) > max)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"{what} is longer than {max} bytes");
        }
    }
}
