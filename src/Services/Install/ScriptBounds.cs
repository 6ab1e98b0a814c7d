using System.Text;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>Bounds of what a script gives.</summary>
internal static class ScriptBounds
{
    public static void Check(int length, string what)
    {
        if (length > ScriptLimits.MaxMessage)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"{what} has {length} bytes; allowed are {ScriptLimits.MaxMessage}");
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
