using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Options;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>How the machines of instances run under QEMU.</summary>
public sealed record QemuMachineOptions
{
    /// <summary>Absolute path of <c>channel-forward</c>, which a machine that installs itself reaches its metadata by; null: none can.</summary>
    public string? ForwardProgram { get; init; }

    /// <summary>Memory in MiB of a machine that does not say how much it needs, 1 to 16,777,216.</summary>
    public int MemoryMiB { get; init; } = 512;

    /// <summary>"kvm", "tcg", or null to take KVM where this machine has it.</summary>
    public string? Accelerator { get; init; }

    /// <summary>Whether QEMU filters its own system calls (<see cref="QemuOptions.Sandbox"/>).</summary>
    public bool Sandbox { get; init; } = true;

    /// <summary>Name of the QEMU program.</summary>
    public string Program { get; init; } = "qemu-system-x86_64";

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal QemuMachineOptions Validated()
    {
        OptionCheck.PathOrNull(ForwardProgram);
        OptionCheck.Range(MemoryMiB, 1, 16 << 20);
        OptionCheck.PathOrNull(Accelerator);
        OptionCheck.Path(Program);
        return this;
    }
}

/// <summary>Starts and ends the machines of instances under QEMU.</summary>
public sealed class QemuMachineLauncher : IMachineLauncher
{
    /// <summary>What cloud-init looks for in the machine's serial number: its NoCloud metadata are at this host.</summary>
    private const string Seed = "ds=nocloud-net;s=http://169.254.169.254/nocloud/";

    private readonly QemuMachineOptions _options;

    /// <summary>Makes a launcher.</summary>
    /// <param name="options">How they run.</param>
    /// <exception cref="ArgumentException">An option that is not allowed.</exception>
    public QemuMachineLauncher(QemuMachineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Validated();
    }

    /// <inheritdoc/>
    public async Task StartAsync(MachineRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        await using var guest = await QemuGuest.StartAsync(Options(request) with { IsDetached = true, RestartOnReboot = true }, cancellationToken).ConfigureAwait(false);
        guest.Leave();
    }

    /// <inheritdoc/>
    public async Task<IAttendedMachine> AttendAsync(MachineRequest request, string metadataSocket, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(metadataSocket);
        var program = _options.ForwardProgram ?? throw Wrong("a machine that installs itself reaches its metadata by channel-forward, whose path is not known");
        if (!File.Exists(program))
        {
            throw Wrong($"there is no {program}, by which a machine that installs itself reaches its metadata; give the path of channel-forward");
        }

        var options = Options(request);
        return new Attended(await QemuGuest.StartAsync(options with
        {
            Network = new QemuNetwork.User(program, null, metadataSocket),
            WatchedDisks = request.Disks.Index().ToDictionary(static d => QemuDevices.NameOf(d.Index), static d => d.Item.Path),
            Arguments = [.. options.Arguments, "-smbios", $"type=1,serial={QemuArguments.Value(Seed)}"],
        }, cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public async Task PowerDownAsync(RunningMachine machine, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(machine);
        await using var qmp = await QmpClient.ConnectAsync(MonitorOf(machine), waitsForTurn: false, cancellationToken).ConfigureAwait(false);
        await qmp.ExecuteAsync("system_powerdown", null, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<bool> KillAsync(RunningMachine machine, TimeSpan within)
    {
        ArgumentNullException.ThrowIfNull(machine);
        // Half of the time for QEMU to flush what it holds of the disks, the other for the kernel to take it away.
        using var patience = new CancellationTokenSource(within / 2);
        try
        {
            await using var qmp = await QmpClient.ConnectAsync(MonitorOf(machine), waitsForTurn: false, patience.Token).ConfigureAwait(false);
            await qmp.ExecuteAsync("quit", null, patience.Token).ConfigureAwait(false);
            await MachineEnd.WaitAsync(machine, patience.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException)
        {
            // It was only asked.
        }

        machine.Process.Kill();
        foreach (var group in machine.ControlGroups)
        {
            Cgroup.Kill(group);
        }

        using var rest = new CancellationTokenSource(within / 2);
        return await MachineEnd.WaitAsync(machine, rest.Token).ConfigureAwait(false);
    }

    /// <summary>What the machine of a request is made of.</summary>
    internal QemuOptions Options(MachineRequest request)
    {
        if (request.Folder.Length > 90)
        {
            throw Wrong($"the folder {request.Folder} has {request.Folder.Length} characters; 90 are allowed, as sockets lie in it");
        }

        var boot = request.Boot;
        var bridges = new QemuBridges(request.Instance, request.Hardware.Nics);
        // A kernel of the host has the first place for itself.
        int? Place(BootDevice device) => boot.Kernel is null && boot.Order.Index().Where(o => o.Item == device).Select(static o => (int?)o.Index).FirstOrDefault() is { } place ? place : null;
        return new QemuOptions
        {
            Program = _options.Program,
            Accelerator = _options.Accelerator,
            Sandbox = _options.Sandbox,
            Kernel = boot.Kernel,
            Initrd = boot.Initrd,
            Append = boot.Append,
            MemoryMiB = request.Hardware.MemoryMiB ?? _options.MemoryMiB,
            Cpus = request.Hardware.Cpus,
            HasChannel = request.HasChannel,
            HasGenerationId = true,
            Folder = request.Folder,
            OnStarted = (process, groups) => request.OnStarted(new RunningMachine
            {
                Instance = request.Instance,
                Process = process,
                Started = DateTimeOffset.UtcNow,
                ControlGroups = groups,
                ChannelUri = request.HasChannel ? QemuGuest.ChannelUriIn(request.Folder) : null,
                MonitorSocket = Path.Combine(request.Folder, "qmp.sock"),
                ConsoleSocket = Path.Combine(request.Folder, "console.sock"),
            }),
            OnReady = stopping =>
            {
                bridges.Join();
                return request.OnReady(stopping);
            },
            Arguments =
            [
                "-machine", "dump-guest-core=off",
                .. QemuDevices.Disks(request.Disks, request.Hardware.DiskBus, Place(BootDevice.Disk)),
                .. boot.Medium is null ? [] : QemuDevices.Medium(boot.Medium, Place(BootDevice.Medium)),
                .. QemuDevices.Nics(request.Hardware.Nics, request.Hardware.NicModel, bridges.TapOf, Place(BootDevice.Network)),
            ],
        };
    }

    /// <summary>The socket of a machine's monitor.</summary>
    internal static string MonitorOf(RunningMachine machine) => machine.MonitorSocket ?? throw Wrong($"the machine of {machine.Instance} is none of QEMU");

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);

    private sealed class Attended(QemuGuest guest) : IAttendedMachine
    {
        public Task Exited { get; } = guest.Over;

        public Task PowerDownAsync(CancellationToken cancellationToken) => guest.Qmp.ExecuteAsync("system_powerdown", null, cancellationToken);

        public ValueTask<LaunchDiagnosis> DiagnoseAsync() => guest.DiagnoseAsync();

        public ValueTask DisposeAsync() => guest.DisposeAsync();
    }
}
