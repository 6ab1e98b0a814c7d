using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>The names that instances may have, wherever one is named: they become file names of stores and of network namespaces.</summary>
public static class InstanceName
{
    private const int MaxLength = 63;

    /// <summary>The rule, for errors.</summary>
    public static string Rule => $"1 to {MaxLength} characters of a-z, 0-9, dot and hyphen, the first a letter or digit";

    /// <summary>Whether an instance may have the name.</summary>
    public static bool Is(string name) =>
        name.Length is >= 1 and <= MaxLength && name[0] is not ('.' or '-') && name.All(c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '.' or '-');

    /// <summary>Returns if an instance may have the name.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed.</exception>
    public static void Check(string name)
    {
        if (!Is(name))
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"'{EndpointUri.Printable(name)}' is no instance name: {Rule}");
        }
    }
}
