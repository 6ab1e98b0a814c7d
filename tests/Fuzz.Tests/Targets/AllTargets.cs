using ChannelSdk.Fuzz.Tests.Engine;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>The targets.</summary>
internal static class AllTargets
{
    internal static IReadOnlyList<IFuzzTarget> All { get; } =
    [
        new SessionTarget(), new LinkTarget(), new RpcTarget(), new VsockTarget(), new RingTarget(), new VchanTarget(),
        new QgaFramerTarget(), new QgaReplyTarget(), new QmpTarget(), new TomlTarget(), new DeflateTarget(), new TarTarget(),
    ];

    internal static IFuzzTarget? Find(string name) => All.Append(new SelfTestTarget()).FirstOrDefault(target => target.Name == name);
}
