using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker.Confinement;

/// <summary>No capabilities, in no set (capabilities(7)). All of it is for the calling thread.</summary>
internal static unsafe class CapabilityDrop
{
    private const int DropFromBoundingSet = 24;
    private const int Ambient = 47;
    private const int ClearAmbient = 4;
    private const int MostCapabilities = 64;

    /// <summary>
    /// Empties the set of what a program could get, which takes CAP_SETPCAP: a process without it has nothing to drop either, as it gets
    /// no new privileges.
    /// </summary>
    /// <returns>0, or the errno.</returns>
    public static int BoundingSet()
    {
        for (var capability = 0; capability < MostCapabilities; capability++)
        {
            if (ConfinementCalls.Prctl(DropFromBoundingSet, capability, 0, 0, 0) != 0)
            {
                // The kernel refuses the first number that it does not know.
                return Errno.Last == Errno.EINVAL || (Errno.Last == Errno.EPERM && capability == 0) ? 0 : Errno.Last;
            }
        }

        return 0;
    }

    /// <summary>Empties the other sets, and looks that they are.</summary>
    /// <returns>0, or the errno.</returns>
    public static int All()
    {
        _ = ConfinementCalls.Prctl(Ambient, ClearAmbient, 0, 0, 0);
        var header = new CapabilityHeader { Version = CapabilityHeader.Version3 };
        var sets = stackalloc CapabilitySet[2];
        sets[0] = sets[1] = default;
        return ConfinementCalls.CapSet(&header, sets) == 0 ? 0 : Errno.Last;
    }
}
