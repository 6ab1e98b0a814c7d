using System.Runtime.CompilerServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker.Confinement;

/// <summary>
/// The threads that there are when the program begins: the one that runs it, and the one on which the runtime runs finalizers. What is a
/// thread's own is done on both; threads that are made later have it from their makers.
/// </summary>
internal static class RuntimeThreads
{
    private const int Expected = 2;
    private const int Attempts = 8;

    /// <summary>How many threads there are; 0 where that cannot be seen.</summary>
    public static unsafe int Count()
    {
        // A link for each of its folders, and the two that any folder has.
        StatxResult folder = default;
        return FileCalls.Statx(Abi.AT_FDCWD, "/proc/self/task", 0, Abi.STATX_BASIC_STATS, &folder) == 0 ? (int)folder.Links - 2 : 0;
    }

    /// <summary>Takes measures on each of them.</summary>
    /// <param name="threads">How many there were at the beginning; if there were others, nothing holds.</param>
    /// <param name="measures">Each gives 0, or an errno.</param>
    /// <returns>Of each measure 0, or an errno; EBUSY if a thread was left out.</returns>
    public static int[] OnEach(int threads, params Func<int>[] measures)
    {
        var here = Take(measures);
        int[]? there = null;
        for (var attempt = 0; attempt < Attempts && there is null; attempt++)
        {
            Leave(() => there ??= Take(measures));
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        for (var i = 0; i < here.Length; i++)
        {
            here[i] = here[i] != 0 ? here[i] : there is null || threads != Expected ? Errno.EBUSY : there[i];
        }

        return here;
    }

    private static int[] Take(Func<int>[] measures)
    {
        var errors = new int[measures.Length];
        for (var i = 0; i < measures.Length; i++)
        {
            errors[i] = measures[i]();
        }

        return errors;
    }

    // Not inlined, so that the caller's frame does not keep it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Leave(Action work) => GC.KeepAlive(new Finalized(work));

    private sealed class Finalized(Action work)
    {
        ~Finalized() => work();
    }
}
