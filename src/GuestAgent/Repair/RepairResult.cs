using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Repair;

/// <summary>What a repair did.</summary>
/// <param name="Generation">The generation that it was to bring, 16 bytes.</param>
/// <param name="Steps">Its steps in their order.</param>
/// <param name="Failure">Which mandatory step failed and why; empty: the guest is repaired.</param>
/// <param name="IsGated">Whether no program ran from the snapshot until the end of the repair.</param>
internal sealed record RepairResult(byte[] Generation, IReadOnlyList<StepResult> Steps, string Failure, bool IsGated);
