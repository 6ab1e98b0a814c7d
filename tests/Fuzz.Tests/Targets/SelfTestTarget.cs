using System.Text;
using ChannelSdk.Fuzz.Tests.Engine;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>Does what a target must not do, if its input says so. Only the loop's own tests know it.</summary>
internal sealed class SelfTestTarget : IFuzzTarget
{
    internal const string TargetName = "self-test";
    internal const string Death = "death";
    internal const string Throw = "throw";
    internal const string Memory = "memory";

    public string Name => TargetName;

    public IReadOnlyList<byte[]> Seeds { get; } = [[0]];

    public void Run(ReadOnlySpan<byte> input)
    {
        switch (Encoding.Latin1.GetString(input))
        {
            case Death:
                Environment.FailFast("a death of the target");
                break;
            case Throw:
                throw new InvalidOperationException("an exception of the target");
            case Memory:
                GC.KeepAlive(new byte[20 << 20]);
                break;
            default:
                break;
        }
    }
}
