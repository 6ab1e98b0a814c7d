using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker.Confinement;

/// <summary>Bounds of the process itself (setrlimit(2)), which hold where there are no control groups too.</summary>
internal static unsafe class ResourceBounds
{
    // sys/resource.h: the same on x86-64 and arm64.
    private const int FileSize = 1;
    private const int Data = 2;
    private const int Core = 4;
    private const int Processes = 6;
    private const int Files = 7;
    private const int LockedMemory = 8;
    private const int PendingSignals = 11;
    private const int MessageQueues = 12;

    // With 0 the kernel still gives a dump to a handler behind a pipe (core(5)); 1 is its word for no dump at all, and too small for a file.
    private const ulong NoCore = 1;
    private const ulong MaxPendingSignals = 64;

    /// <summary>Sets all of them.</summary>
    /// <returns>0, or the first errno.</returns>
    public static int Apply(ConfinementSettings settings)
    {
        var error = Set(Core, NoCore);
        error = First(error, Set(FileSize, 0));
        error = First(error, Set(LockedMemory, 0));
        error = First(error, Set(MessageQueues, 0));
        error = First(error, Set(PendingSignals, MaxPendingSignals));
        error = First(error, Set(Files, settings.Files));
        if (settings.DataBytes != 0)
        {
            error = First(error, Set(Data, settings.DataBytes));
        }

        // The kernel counts it by user: that of a worker without one of its own has other processes.
        return settings.User == 0 ? error : First(error, Set(Processes, settings.Tasks));
    }

    private static int First(int one, int other) => one != 0 ? one : other;

    private static int Set(int resource, ulong value)
    {
        var limit = new ResourceLimit { Soft = value, Hard = value };
        return ConfinementCalls.SetRLimit(resource, &limit) == 0 ? 0 : Errno.Last;
    }
}
