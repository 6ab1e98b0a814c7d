using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker.Confinement;

/// <summary>
/// No core dump of the process, and no other process of its user reads its memory or descriptors (PR_SET_DUMPABLE): what passes through a
/// worker may be a secret of its instance.
/// </summary>
internal static class Undumpable
{
    private const int SetDumpable = 4;

    /// <summary>For the process.</summary>
    /// <returns>0, or the errno.</returns>
    public static int Apply() => ConfinementCalls.Prctl(SetDumpable, 0, 0, 0, 0) == 0 ? 0 : Errno.Last;
}
