using System.Text.Json.Serialization;

namespace ChannelSdk.Install.Records;

/// <summary>How the host connects a network interface of an instance.</summary>
public enum NicMode
{
    /// <summary>It is a port of a bridge.</summary>
    Bridged,
    /// <summary>The host routes its address.</summary>
    Routed,
    /// <summary>It is a port of an Open vSwitch.</summary>
    [JsonStringEnumMemberName("openvswitch")]
    OpenVSwitch,
}
