using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>
/// The names that instances may have, wherever one is named: as long as those of hosts (RFC 1035, 2.3.4). They become file names of
/// stores and of network namespaces.
/// </summary>
public static class InstanceName
{
    private const int MaxLength = 253;
    private const int MaxPart = 63;

    /// <summary>The rule, for errors.</summary>
    public static string Rule => $"1 to {MaxLength} characters of a-z, 0-9, dot and hyphen, the first a letter or digit, with 1 to {MaxPart} in each part between dots";

    /// <summary>Whether an instance may have the name.</summary>
    public static bool Is(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length is 0 or > MaxLength || name[0] == '-')
        {
            return false;
        }

        var part = 0;
        foreach (var c in name)
        {
            if (c == '.' ? part == 0 : !(c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-') || part == MaxPart)
            {
                return false;
            }

            part = c == '.' ? 0 : part + 1;
        }

        return part > 0;
    }

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
