using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Repair;

/// <summary>Of a guest that cannot be made another: each repair fails.</summary>
internal sealed class NoRepair : IRepair
{
    public Func<HookFolder> Hooks { get; set; } = static () => new HookFolder("/nowhere", TimeSpan.Zero);

    public RepairResult? Last { get; private set; }

    public bool IsUnfinished => false;

    public byte[] Generation => [];

    public bool HasLeft(ReadOnlySpan<byte> generation) => false;

    public RepairResult Run(CompleteRequest request, Func<bool> mustStop) => Last = new RepairResult(request.Generation.ToByteArray(), [], "this guest cannot be repaired");

    public IReadOnlyList<StepResult> Settle() => [];
}
