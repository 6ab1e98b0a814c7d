using ChannelSdk.Host.Options;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>What a QEMU guest is made of.</summary>
public sealed record QemuOptions
{
    /// <summary>Name of the virtio-serial port that the agent uses by default.</summary>
    public const string DefaultPortName = "org.channelsdk.agent.0";

    /// <summary>Kernel image; null: the machine boots from its first disk, by its BIOS.</summary>
    public string? Kernel { get; init; }

    /// <summary>Initial RAM disk; null: none.</summary>
    public string? Initrd { get; init; }

    /// <summary>Kernel command line behind the console settings.</summary>
    public string Append { get; init; } = "";

    /// <summary>Memory in MiB, 1 to 16,777,216.</summary>
    public int MemoryMiB { get; init; } = 256;

    /// <summary>Processors, 1 to 255.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary>Whether it has the virtio-serial port for the channel; without it nothing of the channel is in the guest.</summary>
    public bool HasChannel { get; init; } = true;

    /// <summary>Whether a reboot starts the guest again, or is its end.</summary>
    public bool RestartOnReboot { get; init; }

    /// <summary>Name of the virtio-serial port in the guest.</summary>
    public string PortName { get; init; } = DefaultPortName;

    /// <summary>The guest's link-local network, or null for none.</summary>
    public QemuNetwork? Network { get; init; }

    /// <summary>
    /// Socket of a vhost-user vsock device, which must be listening, for instance a <c>VsockDevice</c>; null for none.
    /// A guest with one cannot be saved (QEMU 7.2): unplug it before.
    /// </summary>
    public string? VsockSocket { get; init; }

    /// <summary>
    /// Whether the guest's memory can be shared with a vhost-user device, in a sealed memory file. Needed for a device
    /// that is plugged later; a saved guest must be restored as it was saved.
    /// </summary>
    public bool SharedMemory { get; init; }

    /// <summary>A file written by <see cref="QemuGuest.SaveAsync"/> to start from, or null to boot.</summary>
    public string? RestoreFrom { get; init; }

    /// <summary>The folder for the guest's sockets, at most 90 characters, which stays when the guest ends; null for one of its own that goes with it.</summary>
    public string? Folder { get; init; }

    /// <summary>
    /// Whom QEMU runs as; null, the default, for this process's user. Takes root. It is given its sockets, its tap and its token open
    /// and cannot enter the folder; disks, kernel and RAM disk must be open to it.
    /// </summary>
    public QemuUser? RunAs { get; init; }

    /// <summary>
    /// Whether QEMU is kept by its own filter of system calls from old ones, from other users' rights, from starting programs
    /// (but for a user network's) and from changing its priorities. False only for a QEMU that was built without it.
    /// </summary>
    public bool Sandbox { get; init; } = true;

    /// <summary>Variables that the QEMU process has in its environment; of this process's it has PATH and TMPDIR only.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Whether it has a VMGenID device, with a new number each time that QEMU starts: a guest whose kernel has the driver reseeds its random numbers when it was
    /// restored. A guest must be restored with it if it was saved with it.
    /// </summary>
    public bool HasGenerationId { get; init; }

    /// <summary>Further QEMU arguments.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Name of the QEMU program.</summary>
    public string Program { get; init; } = "qemu-system-x86_64";

    /// <summary>"kvm", "tcg", or null to take KVM where this machine has it.</summary>
    public string? Accelerator { get; init; }

    /// <summary>The accelerator in use. A /dev/kvm on a processor without virtualization opens and then hangs guests, so the flags are asked too.</summary>
    public string EffectiveAccelerator => Accelerator ?? (HasKvm() ? "kvm" : "tcg");

    /// <summary>
    /// Whether this process reads the guest's console and QEMU's events, to tell why it ended (<see cref="QemuGuest.DiagnoseAsync"/>):
    /// the names of its disks' nodes with their paths; null if not. The console's socket has one client at a time.
    /// </summary>
    internal IReadOnlyDictionary<string, string>? WatchedDisks { get; init; }

    /// <summary>Whether QEMU goes on when this process ends, in a session of its own; <see cref="QemuGuest.Leave"/> leaves it so.</summary>
    internal bool IsDetached { get; init; }

    /// <summary>The file that is the guest's memory; null: none is.</summary>
    internal QemuMemory? Memory { get; init; }

    /// <summary>Whether it is never let run.</summary>
    internal bool StaysStopped { get; init; }

    /// <summary>Told QEMU's version before it reads what it is to be restored from.</summary>
    internal Action<string>? OnConnected { get; init; }

    /// <summary>Told QEMU's process and the folders of its control groups as soon as they are there.</summary>
    internal Action<ProcessIdentity, IReadOnlyList<string>>? OnStarted { get; init; }

    /// <summary>Called when QEMU has all of its devices, before the guest runs.</summary>
    internal Func<CancellationToken, Task>? OnReady { get; init; }

    /// <summary>What QEMU is given open besides, with the arguments for it; null for nothing. They are closed here once QEMU has been started.</summary>
    internal QemuDescriptors? Descriptors { get; init; }

    /// <summary>What keeps QEMU from the rest of the host, beside its user and its filter; null for nothing.</summary>
    internal QemuConfinement? Confinement { get; init; }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal void Validate()
    {
        OptionCheck.PathOrNull(Kernel);
        OptionCheck.PathOrNull(Initrd);
        OptionCheck.Text(Append);
        OptionCheck.Range(MemoryMiB, 1, 16 << 20);
        OptionCheck.Range(Cpus, 1, 255);
        OptionCheck.Path(PortName);
        OptionCheck.PathOrNull(VsockSocket);
        OptionCheck.PathOrNull(RestoreFrom);
        OptionCheck.PathOrNull(Folder);
        OptionCheck.Variables(Environment);
        OptionCheck.Texts(Arguments);
        OptionCheck.Path(Program);
        OptionCheck.PathOrNull(Accelerator);
    }

    private static bool HasKvm()
    {
        if (!File.Exists("/dev/kvm"))
        {
            return false;
        }

        var flags = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("flags", StringComparison.Ordinal)) ?? "";
        return flags.Split(' ').Any(f => f is "vmx" or "svm");
    }
}
