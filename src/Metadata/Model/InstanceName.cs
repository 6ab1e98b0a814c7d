using ChannelSdk.Metadata.Documents;
using ChannelSdk.Protocol;

namespace ChannelSdk.Metadata;

/// <summary>The names that instances may have; they become file names of the store.</summary>
internal static class InstanceName
{
    /// <exception cref="ChannelException">BadConfiguration: the name is not allowed.</exception>
    public static void Check(string name)
    {
        if (name.Length is 0 or > 63 || name[0] is '.' or '-' || name.Any(c => c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '.' or '-')))
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"'{DocumentError.Key(name)}' is no instance name: 1 to 63 characters of a-z, 0-9, dot and hyphen, the first a letter or digit");
        }
    }
}
