using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Options;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>What appliances under Xen are made of.</summary>
public sealed record XlLauncherOptions
{
    /// <summary>The appliance's kernel.</summary>
    public required string Kernel { get; init; }

    /// <summary>The appliance's initial RAM disk: the whole appliance, so that each launch is from the same state.</summary>
    public required string Initrd { get; init; }

    /// <summary>Kernel command line behind the console's settings.</summary>
    public string Append { get; init; } = "";

    /// <summary>Memory in MiB, 1 to 16,777,216.</summary>
    public int MemoryMiB { get; init; } = 512;

    /// <summary>How they are virtualized.</summary>
    public XenDomainType Type { get; init; }

    /// <summary>Further settings of xl.cfg(5) whose values are strings.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Name or path of xl.</summary>
    public string Program { get; init; } = XlCommand.DefaultProgram;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal XlLauncherOptions Validated()
    {
        OptionCheck.Path(Kernel);
        OptionCheck.Path(Initrd);
        OptionCheck.Text(Append);
        OptionCheck.Range(MemoryMiB, 1, 16 << 20);
        OptionCheck.Defined(Type);
        OptionCheck.Variables(Settings);
        OptionCheck.Path(Program);
        return this;
    }
}

/// <summary>Starts appliances as Xen domains; it runs in dom0, as root. Their agents are reached by vchan.</summary>
public sealed class XlLauncher : IInstanceLauncher
{
    private readonly XlLauncherOptions _options;

    /// <summary>Makes a launcher.</summary>
    /// <param name="options">What they are made of.</param>
    /// <exception cref="ArgumentException">An option that is not allowed.</exception>
    public XlLauncher(XlLauncherOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Validated();
    }

    /// <inheritdoc/>
    public async Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ApplianceFiles.Require(_options.Kernel, _options.Initrd);

        // The kernel of dom0 ends no domain with its maker: the name is how a crash's is found again.
        var name = $"channelsdk-{request.Operation}";
        request.OnResource(new LaunchResource(LaunchResourceKind.Domain, name));
        var guest = await XlGuest.StartAsync(new XlOptions
        {
            Name = name,
            Kernel = _options.Kernel,
            Initrd = _options.Initrd,
            Append = _options.Append,
            MemoryMiB = Math.Max(_options.MemoryMiB, request.Hardware.MemoryMiB ?? 0),
            Cpus = request.Hardware.Cpus,
            Type = _options.Type,
            Settings = _options.Settings,
            Disks = request.Disks,
            Media = request.Media,
            Folder = request.Folder,
            Environment = request.Environment,
            Program = _options.Program,
        }, cancellationToken).ConfigureAwait(false);
        if (guest.MonitorProcess is { } process)
        {
            request.OnResource(LaunchResource.Of(process));
        }

        return new Launched(guest, Devices(0, request.Disks.Count), Devices(request.Disks.Count, request.Media.Count));
    }

    /// <inheritdoc/>
    public async Task<bool> RemoveAsync(LaunchResource resource, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return resource.Kind == LaunchResourceKind.Domain && await XlCommand.TryDestroyAsync(_options.Program, resource.Name).ConfigureAwait(false);
    }

    private static string[] Devices(int first, int count) => [.. Enumerable.Range(first, count).Select(XlConfig.DeviceOf)];

    private sealed class Launched(XlGuest guest, IReadOnlyList<string> devices, IReadOnlyList<string> media) : ILaunchedInstance
    {
        public ITransportEndpoint Endpoint { get; } = TransportEndpoints.Create(guest.ChannelUri);

        public IReadOnlyList<string> DiskDevices => devices;

        public IReadOnlyList<string> MediaDevices => media;

        public Task Exited => guest.Exited;

        public Task KillAsync(TimeSpan within) => guest.DestroyAsync(within);

        public ValueTask<LaunchDiagnosis> DiagnoseAsync() => guest.DiagnoseAsync();

        public ValueTask DisposeAsync() => guest.DisposeAsync();
    }
}
