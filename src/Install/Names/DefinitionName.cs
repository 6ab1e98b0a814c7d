using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Names;

/// <summary>Names of OS definitions; they are names of folders.</summary>
internal static class DefinitionName
{
    private const int MaxLength = 64;

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed.</exception>
    public static void Check(string name)
    {
        if (name.Length is 0 or > MaxLength || name[0] is '.' or '-' || name.Any(c => !(char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '+')))
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"'{SafeText.Escape(name, MaxLength)}' is no name of an OS definition: 1 to {MaxLength} letters, digits and - _ . +, the first a letter, a digit, '_' or '+'");
        }
    }
}
