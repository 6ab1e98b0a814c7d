using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker.Confinement;

/// <summary>A user and a group that no other process of the host has, and no further groups.</summary>
internal static unsafe class OwnUser
{
    /// <summary>Becomes that user, with all threads.</summary>
    /// <returns>0, or the errno.</returns>
    public static int Become(uint user)
    {
        // Without the right to groups and users any more, so the user is last.
        return ConfinementCalls.SetGroups(0, null) == 0 && ConfinementCalls.SetResGid(user, user, user) == 0 && ConfinementCalls.SetResUid(user, user, user) == 0
            ? 0 : Errno.Last;
    }
}
