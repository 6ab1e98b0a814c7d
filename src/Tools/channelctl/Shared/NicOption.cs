using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Shared;

/// <summary>A network interface as an option's value.</summary>
internal static class NicOption
{
    public const string Help = "A network interface: mac=ADDRESS[,ip=ADDRESS][,mode=bridged|routed|openvswitch][,link=NAME][,network=NAME]";

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong with it.</exception>
    public static InstanceNic Parse(string text)
    {
        var nic = new InstanceNic("");
        foreach (var part in text.Split(','))
        {
            var (key, value) = StateOption.Pair(part, "--nic");
            nic = key switch
            {
                "mac" => nic with { Mac = value },
                "ip" => nic with { Ip = value },
                "mode" => nic with { Mode = ParseMode(value) },
                "link" => nic with { Link = value },
                "network" => nic with { Network = value },
                _ => throw Wrong($"it has no part '{SafeText.Escape(key, 64)}'; it is {Help}"),
            };
        }

        return nic;
    }

    private static NicMode ParseMode(string value) => value switch
    {
        "bridged" => NicMode.Bridged,
        "routed" => NicMode.Routed,
        "openvswitch" => NicMode.OpenVSwitch,
        _ => throw Wrong($"'{SafeText.Escape(value, 64)}' is no mode; it is bridged, routed or openvswitch"),
    };

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"--nic {text}");
}
