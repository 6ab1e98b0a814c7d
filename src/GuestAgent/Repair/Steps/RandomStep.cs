using System.Security.Cryptography;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>The kernel's random numbers: what another copy of this guest does not have is mixed in, and they begin again with it.</summary>
internal sealed class RandomStep() : RepairStep("random")
{
    private const int MinBytes = 32;
    private const int MaxBytes = 64;

    public override bool IsMandatory(RepairRun run) => true;

    public override StepEnd Do(RepairRun run)
    {
        var entropy = run.Request.Entropy.Span;
        if (entropy.Length is < MinBytes or > MaxBytes || !entropy.ContainsAnyExcept((byte)0))
        {
            return StepEnd.Failed("the host gave no entropy; complete the snapshot with 32 to 64 fresh bytes");
        }

        Span<byte> mixed = stackalloc byte[entropy.Length + KernelPool.JitterBytes];
        entropy.CopyTo(mixed);
        // Not counted; it is for a host that gives the same bytes twice.
        KernelPool.Jitter(mixed[entropy.Length..]);
        var error = run.Platform.AddEntropy(mixed, entropy.Length * 8);
        CryptographicOperations.ZeroMemory(mixed);
        if (error != 0)
        {
            return StepEnd.Failed($"the kernel takes no entropy (RNDADDENTROPY): {Errno.Describe(error)}; the agent needs CAP_SYS_ADMIN and /dev/urandom");
        }

        error = run.Platform.Reseed();
        return error == 0 ? StepEnd.Done() : StepEnd.Failed($"the kernel does not reseed its random numbers (RNDRESEEDCRNG): {Errno.Describe(error)}");
    }
}
