using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker.Confinement;

/// <summary>
/// No right to any file, to any TCP port, and, on newer kernels, to signal a process or to connect to an abstract socket outside
/// (landlock(7)). It holds beside the empty root and the filter, and where this process is not root it is the one that keeps files from it.
/// </summary>
internal static unsafe class Landlock
{
    private const int AskVersion = 1;
    private const int AskErrata = 2;

    // Bits that a kernel knows, by the version of its interface (linux/landlock.h): files since 1, TCP ports since 4, scopes since 6.
    private const int FirstVersionRights = 13;
    private const int WithNetwork = 4;
    private const int WithScopes = 6;
    private const ulong BindAndConnect = 3;
    private const ulong AbstractSockets = 1;
    private const ulong Signals = 2;

    // Without the correction of this kernel fault, threads of one process could not signal each other, which the collector does.
    private const nint SignalsOfThreadsCorrected = 2;

    /// <summary>For the calling thread, which must have no new privileges.</summary>
    /// <returns>0, or the errno; ENOSYS or EOPNOTSUPP where the kernel has no landlock, or it is switched off.</returns>
    public static int Apply()
    {
        var version = (int)SystemCalls.Syscall(ConfinementCalls.LandlockCreateRuleset, 0, 0, AskVersion, 0, 0);
        if (version < 1)
        {
            return Errno.Last;
        }

        var rules = new RulesetAttribute { Files = Rights(version) };
        if (version >= WithNetwork)
        {
            rules.Network = BindAndConnect;
        }

        if (version >= WithScopes)
        {
            var errata = SystemCalls.Syscall(ConfinementCalls.LandlockCreateRuleset, 0, 0, AskErrata, 0, 0);
            rules.Scopes = AbstractSockets | (errata > 0 && (errata & SignalsOfThreadsCorrected) != 0 ? Signals : 0);
        }

        // An older kernel takes the longer structure, as what it does not know in it is zero.
        using var ruleset = new SafeFd((int)SystemCalls.Syscall(ConfinementCalls.LandlockCreateRuleset, (nint)(&rules), sizeof(RulesetAttribute), 0, 0, 0));
        if (ruleset.IsInvalid)
        {
            return Errno.Last;
        }

        return SystemCalls.Syscall(ConfinementCalls.LandlockRestrictSelf, (int)ruleset.DangerousGetHandle(), 0, 0, 0, 0) == 0 ? 0 : Errno.Last;
    }

    // Each right that a version adds is the next bit: REFER with 2, TRUNCATE with 3, IOCTL_DEV with 5.
    private static ulong Rights(int version)
    {
        var known = FirstVersionRights + (version >= 2 ? 1 : 0) + (version >= 3 ? 1 : 0) + (version >= 5 ? 1 : 0);
        return (1UL << known) - 1;
    }

    /// <summary>struct landlock_ruleset_attr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct RulesetAttribute
    {
        public ulong Files;
        public ulong Network;
        public ulong Scopes;
    }
}
