using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>What is said of the states of a freeze.</summary>
internal static class FreezeWords
{
    /// <summary>The word in the heartbeats.</summary>
    public static StateWord Word(FreezeState state) => state switch
    {
        FreezeState.Thawed => StateWord.Ready,
        FreezeState.Freezing => StateWord.Freezing,
        FreezeState.Frozen => StateWord.Frozen,
        _ => StateWord.Busy,
    };

    /// <summary>Why other calls must wait.</summary>
    public static string Restriction(FreezeState state, DateTimeOffset end) =>
        $"the guest is {Name(state)}, by itself no longer than {end:u}; until then only the methods of freeze and snapshot and info.Ping are answered";

    /// <summary>The error of a freeze while there is one.</summary>
    public static ChannelException Already(FreezeState state, FreezeOrder order) => new(ChannelError.FailedPrecondition, ErrorClass.Refused,
        $"the guest is {Name(state)} already; {(order.IsSnapshot ? "snapshot.Renew prolongs the lease, snapshot.Complete ends it" : "freeze.Renew prolongs the lease, freeze.Thaw ends it")}");

    /// <summary>The error of a freeze while the last one hangs.</summary>
    public static ChannelException Stuck(string place) => new(ChannelError.FailedPrecondition, ErrorClass.Retry,
        $"the last freeze, whose time is over, is still stuck in {place}; nothing can be frozen before that has come back");

    private static string Name(FreezeState state) => state switch
    {
        FreezeState.Freezing => "being frozen",
        FreezeState.Frozen => "frozen",
        _ => "being thawed",
    };
}
