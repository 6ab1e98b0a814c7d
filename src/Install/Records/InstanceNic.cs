using System.Net;
using System.Text.RegularExpressions;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Records;

/// <summary>A network interface of an instance, as its definition's scripts are told of it (ganeti-os-interface(7), NIC_n).</summary>
/// <param name="Mac">Its hardware address, as aa:bb:cc:dd:ee:ff.</param>
public sealed partial record InstanceNic(string Mac)
{
    private const int MaxText = 64;

    /// <summary>Its IPv4 or IPv6 address; null: the instance gets one by itself, or has none.</summary>
    public string? Ip { get; init; }

    /// <summary>How the host connects it.</summary>
    public NicMode Mode { get; init; }

    /// <summary>The host's bridge, switch or routing table; null: its usual one.</summary>
    public string? Link { get; init; }

    /// <summary>Name of the network that it is in; null: of none that has a name.</summary>
    public string? Network { get; init; }

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong with it.</exception>
    internal void Check(int index)
    {
        if (!HardwareAddress().IsMatch(Mac))
        {
            throw Wrong(index, $"'{SafeText.Escape(Mac, MaxText)}' is no hardware address; write six pairs of hexadecimal digits with colons between them");
        }

        if (Ip is not null && !IPAddress.TryParse(Ip, out _))
        {
            throw Wrong(index, $"'{SafeText.Escape(Ip, MaxText)}' is no IPv4 or IPv6 address");
        }

        foreach (var text in (string?[])[Link, Network])
        {
            if (text is not null && !Name().IsMatch(text))
            {
                throw Wrong(index, $"'{SafeText.Escape(text, MaxText)}' is no name of a link or network: 1 to {MaxText} letters, digits and - _ . : @");
            }
        }
    }

    private static ChannelException Wrong(int index, string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"network interface {index}: {text}");

    [GeneratedRegex("^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}\\z")]
    private static partial Regex HardwareAddress();

    [GeneratedRegex("^[A-Za-z0-9_.:@-]{1,64}\\z")]
    private static partial Regex Name();
}
