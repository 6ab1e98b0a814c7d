using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Worker.Confinement;

/// <summary>
/// What a worker does to itself before it reads any byte of a guest. A measure that does not hold is told to the host manager, which decides;
/// those after it are taken all the same.
/// </summary>
internal static class ProcessConfinement
{
    // The host manager, this process and the guest wait for each other.
    private const int TakingTurns = 3;

    /// <summary>Confines this process, once, at its beginning, while it has no threads but those of the runtime.</summary>
    public static ConfinementReport Apply(ConfinementSettings settings)
    {
        var report = new ConfinementReport();
        // First of all, while the runtime holds none of its own.
        report.Set(ConfinementMeasure.Descriptors, OpenDescriptors.CloseOthers(settings));
        report.Set(ConfinementMeasure.ResourceLimits, ResourceBounds.Apply(settings));
        var threads = RuntimeThreads.Count();
        WarmUp.Run();
        if (settings.Kind == BrokeredKind.VsockDevice)
        {
            // From a file that it cannot open later. Where it fails, the device says so when it starts.
            _ = VsockDevice.Prepare();
        }

        if (settings.HostMounts != 0)
        {
            // After this there is no /proc.
            report.Set(ConfinementMeasure.EmptyRoot, EmptyRoot.Apply(settings.HostMounts));
        }

        // Rights belong to threads. A thread has those of the thread that made it, so it is enough that the two of the runtime give them up now.
        var first = RuntimeThreads.OnEach(threads, NoNewPrivileges.Apply, CapabilityDrop.BoundingSet);
        report.Set(ConfinementMeasure.NoNewPrivileges, first[0]);
        if (settings.User != 0)
        {
            report.Set(ConfinementMeasure.User, OwnUser.Become(settings.User));
        }

        var last = RuntimeThreads.OnEach(threads, CapabilityDrop.All, Landlock.Apply);
        report.Set(ConfinementMeasure.Capabilities, first[1] != 0 ? first[1] : last[0]);
        report.Set(ConfinementMeasure.Landlock, last[1]);
        // After the user, with which the kernel sets it again; before the filter, which forbids it.
        report.Set(ConfinementMeasure.Undumpable, Undumpable.Apply());
        // The thread that serves descriptors, which has no more rights than this one now; what it makes the filter forbids.
        DescriptorLinks.Prepare(TakingTurns);
        report.Set(ConfinementMeasure.SystemCallFilter, SystemCallFilter.Apply(SystemCallList.Of(settings.Kind)));
        return report;
    }
}
