using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Names;

/// <summary>Names of OS definitions, which are names of folders, with the name of a variant behind a plus sign if there is one.</summary>
internal static class DefinitionName
{
    private const int MaxLength = 64;

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed.</exception>
    public static void Check(string name)
    {
        var (folder, variant) = Parts(name);
        if (!IsAllowed(folder) || (variant is not null && !IsAllowed(variant)))
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"'{SafeText.Escape(name, MaxLength)}' is no name of an OS definition: 1 to {MaxLength} letters, digits and - _ ., the first a letter, a digit or '_'; a variant of it stands behind a '+'");
        }
    }

    /// <summary>The folder's name, and that of the variant or null.</summary>
    public static (string Folder, string? Variant) Parts(string name) =>
        name.IndexOf('+', StringComparison.Ordinal) is >= 0 and var plus ? (name[..plus], name[(plus + 1)..]) : (name, null);

    /// <summary>Whether a word may be the name of a folder or a variant.</summary>
    public static bool IsAllowed(string word) =>
        word.Length is > 0 and <= MaxLength && word[0] is not ('.' or '-') && word.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
