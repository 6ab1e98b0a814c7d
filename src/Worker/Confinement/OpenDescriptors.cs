using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker.Confinement;

/// <summary>
/// The worker has the descriptors that it was given and no other: what a host manager, or a library in it, has forgotten to mark
/// close-on-exec is another instance's.
/// </summary>
internal static class OpenDescriptors
{
    /// <summary>Closes all others (close_range(2), Linux 5.9).</summary>
    /// <returns>0, or the errno.</returns>
    public static int CloseOthers(ConfinementSettings settings)
    {
        var first = ConfinementSettings.FirstGiven + settings.Descriptors;
        return SystemCalls.Syscall(ConfinementCalls.CloseRange, first, unchecked((nint)uint.MaxValue), 0, 0, 0) == 0 ? 0 : Errno.Last;
    }
}
