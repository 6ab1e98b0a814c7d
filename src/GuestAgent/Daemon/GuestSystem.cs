using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Gate;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.GuestAgent.Repair;
using ChannelSdk.GuestAgent.Repair.Hints;
using ChannelSdk.GuestAgent.Time;
using ChannelSdk.GuestAgent.Xen;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>The parts of the system that the daemon's services act on.</summary>
/// <param name="power">Behind power.Request.</param>
/// <param name="freeze">Behind freeze.Freeze and storage.Trim.</param>
/// <param name="marker">The note of a freeze for the daemon's successor.</param>
/// <param name="setClock">Sets the wall clock to nanoseconds since 1970; an errno number, 0 for success.</param>
internal sealed class GuestSystem(IPowerPlatform power, IFreezePlatform freeze, FreezeMarker marker, Func<long, int> setClock)
{
    /// <summary>Behind power.Request.</summary>
    public IPowerPlatform Power => power;

    /// <summary>Behind freeze.Freeze and storage.Trim.</summary>
    public IFreezePlatform Freeze => freeze;

    /// <summary>The note of a freeze for the daemon's successor.</summary>
    public FreezeMarker Marker => marker;

    /// <summary>Sets the wall clock to nanoseconds since 1970; an errno number, 0 for success.</summary>
    public Func<long, int> SetClock => setClock;

    /// <summary>Where the agent keeps what must not outlive a boot; its own user's alone.</summary>
    public string RunFolder { get; init; } = "/run/channel-agent";

    /// <summary>Where programs see the generation; null: nowhere.</summary>
    public GenerationPage? Generation { get; init; }

    /// <summary>What may hint that this guest is a copy, beside the session.</summary>
    public IReadOnlyList<IHintSource> Hints { get; init; } = [];

    /// <summary>Behind info.Get.</summary>
    public FileSystemFacts FileSystems { get; init; } = new();

    /// <summary>Stops every other process for a snapshot.</summary>
    public ProcessGate Gate { get; init; } = new(new LinuxGatePlatform());

    /// <summary>Keeps the guest from going down meanwhile.</summary>
    public SystemInhibitor Inhibitor { get; init; } = new("/usr/bin/systemd-inhibit", "/run/systemd/inhibit");

    /// <summary>Behind snapshot.Complete.</summary>
    public required IRepair Repair { get; init; }

    /// <summary>Whether a toolstack of Xen may ask for a shutdown.</summary>
    public bool IsXen { get; init; }

    /// <summary>The guest that this process runs in.</summary>
    /// <param name="log">The log.</param>
    public static GuestSystem Linux(AgentLog log)
    {
        var clock = new ClockHint(ClockHint.OfSystem);
        int SetClock(long nanoseconds)
        {
            // Before the jump, which is seen at any moment from then on.
            clock.Forgive();
            return WallClock.Set(nanoseconds);
        }

        var page = new GenerationPage(GenerationPage.DefaultPath);
        return new(new LinuxPowerPlatform(), new LinuxFreezePlatform(), new FreezeMarker(FreezeMarker.DefaultPath), SetClock)
        {
            IsXen = XenGuest.IsHere,
            Generation = page,
            Repair = new GuestRepair(new LinuxRepairPlatform(SetClock), page, new RepairNotes(RepairNotes.DefaultPath), log),
            Hints = [new KernelLogHint("/dev/kmsg"), new VmClockHint("/dev/vmclock0"), clock],
        };
    }
}
