using ChannelSdk.Protocol;
using ChannelSdk.Transports;

namespace ChannelSdk.HostEndpoint.Launch;

/// <summary>What appliances under Xen are made of.</summary>
public sealed record XlLauncherOptions
{
    /// <summary>The appliance's kernel.</summary>
    public required string Kernel { get; init; }

    /// <summary>The appliance's initial RAM disk: the whole appliance, so that each launch is from the same state.</summary>
    public required string Initrd { get; init; }

    /// <summary>Kernel command line behind the console's settings.</summary>
    public string Append { get; init; } = "";

    /// <summary>Memory in MiB.</summary>
    public int MemoryMiB { get; init; } = 512;

    /// <summary>How they are virtualized.</summary>
    public XenDomainType Type { get; init; }

    /// <summary>Further settings of xl.cfg(5) whose values are strings.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Name or path of xl.</summary>
    public string Program { get; init; } = XlCommand.DefaultProgram;
}

/// <summary>Starts appliances as Xen domains; it runs in dom0, as root. Their agents are reached by vchan.</summary>
/// <param name="options">What they are made of.</param>
public sealed class XlLauncher(XlLauncherOptions options) : IInstanceLauncher
{
    /// <inheritdoc/>
    public async Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default)
    {
        foreach (var file in (string[])[options.Kernel, options.Initrd])
        {
            if (!File.Exists(file))
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the appliance's file {file} is not there; 'channelctl appliance build' makes one");
            }
        }

        // The kernel of dom0 ends no domain with its maker: the name is how a crash's is found again.
        var name = $"channelsdk-{request.Operation}";
        request.Trace(new LaunchTrace(LaunchTraceKind.Domain, name));
        var guest = await XlGuest.StartAsync(new XlOptions
        {
            Name = name,
            Kernel = options.Kernel,
            Initrd = options.Initrd,
            Append = options.Append,
            MemoryMiB = options.MemoryMiB,
            Type = options.Type,
            Settings = options.Settings,
            Disks = request.Disks,
            Folder = request.Folder,
            Environment = request.Environment,
            Program = options.Program,
        }, cancellationToken).ConfigureAwait(false);
        if (guest.MonitorProcess is { } process)
        {
            request.Trace(LaunchTrace.Of(process));
        }

        return new Launched(guest, [.. Enumerable.Range(0, request.Disks.Count).Select(XlConfig.DeviceOf)]);
    }

    private sealed class Launched(XlGuest guest, IReadOnlyList<string> devices) : ILaunchedInstance
    {
        public ITransportEndpoint Endpoint { get; } = TransportEndpoints.Create(guest.ChannelUri);

        public IReadOnlyList<string> DiskDevices => devices;

        public Task Exited => guest.Exited;

        public ValueTask KillAsync(TimeSpan within) => guest.DestroyAsync(within);

        public ValueTask DisposeAsync() => guest.DisposeAsync();
    }
}
