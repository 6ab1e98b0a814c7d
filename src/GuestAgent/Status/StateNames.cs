using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.GuestAgent.Status;

/// <summary>The names of states in agent.proto; enum names would need reflection data in the binary.</summary>
internal static class StateNames
{
    public const string Ready = "ready";
    public const string Up = "up";

    public static string Of(StateWord state) => state switch
    {
        StateWord.Starting => "starting",
        StateWord.Ready => Ready,
        StateWord.Busy => "busy",
        StateWord.Freezing => "freezing",
        StateWord.Frozen => "frozen",
        StateWord.Installing => "installing",
        StateWord.Stopping => "stopping",
        StateWord.Repairing => "repairing",
        _ => "unknown",
    };

    public static string Of(LinkState state) => state switch
    {
        LinkState.Opening => "opening",
        LinkState.Handshake => "handshake",
        LinkState.Up => Up,
        _ => "closed",
    };
}
