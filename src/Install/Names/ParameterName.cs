using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Names;

/// <summary>Names of OS parameters: they become names of environment variables, <c>OSP_</c> and the name in upper case.</summary>
internal static class ParameterName
{
    private const int MaxLength = 64;

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed.</exception>
    public static void Check(string name)
    {
        if (name.Length is 0 or > MaxLength || !char.IsAsciiLetterLower(name[0]) || name.Any(c => !(char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_')))
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"'{SafeText.Escape(name, MaxLength)}' is no parameter name: 1 to {MaxLength} characters of a-z, 0-9 and '_', the first a letter");
        }
    }
}
