using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker.Confinement;

/// <summary>No program that is started can have more rights than this one (PR_SET_NO_NEW_PRIVS); the filter and landlock need it.</summary>
internal static class NoNewPrivileges
{
    private const int SetNoNewPrivileges = 38;

    /// <summary>For the calling thread.</summary>
    /// <returns>0, or the errno.</returns>
    public static int Apply() => ConfinementCalls.Prctl(SetNoNewPrivileges, 1, 0, 0, 0) == 0 ? 0 : Errno.Last;
}
