using ChannelSdk.HostEndpoint.Launch;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>The appliance of one operation: launched, reached, and killed at the operation's end.</summary>
internal sealed class OperationAppliance(OperationPlan plan, InstallerOptions options) : IAsyncDisposable
{
    /// <summary>From the end of an operation to the end of its appliance.</summary>
    private static readonly TimeSpan KillTime = TimeSpan.FromSeconds(2);

    private Task<ILaunchedInstance>? _launch;
    private ILaunchedInstance? _launched;
    private Instance? _instance;
    private volatile bool _isOver;

    /// <summary>The channel to its agent, once it was booted.</summary>
    public Channel Channel => _instance!.Channel;

    /// <summary>Where it sees the disks.</summary>
    public IReadOnlyList<string> DiskDevices => _launched!.DiskDevices;

    /// <summary>Ends when it has.</summary>
    public Task Exited => _launched!.Exited;

    /// <summary>Launches it, and waits until its agent answers.</summary>
    /// <exception cref="ChannelException">It cannot be launched, or has ended before.</exception>
    public async Task BootAsync(string folder, Action<LaunchTrace> trace, CancellationToken cancellationToken)
    {
        var launcher = options.Launcher ?? throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
            $"the OS definition {plan.Definition.Name} has a half for an appliance, and this host has none to launch");
        _launch = launcher.LaunchAsync(new LaunchRequest
        {
            Instance = plan.Record.Name,
            Operation = plan.Id,
            Folder = folder,
            Disks = plan.Request.Disks,
            Environment = new Dictionary<string, string> { [MarkedProcesses.ApplianceVariable] = plan.Id },
            Trace = trace,
        }, cancellationToken);
        if (_isOver)
        {
            // The launcher took no notice of the deadline, and nobody waits for it any more.
            await KillAsync().ConfigureAwait(false);
            throw new OperationCanceledException(cancellationToken);
        }

        _launched = await _launch.WaitAsync(cancellationToken).ConfigureAwait(false);
        _instance = new Instance(plan.Record.Name, _launched.Endpoint, new InstanceOptions { Channel = options.Channel, Metadata = plan.Request.Metadata });
        var ready = _instance.WaitReadyAsync(cancellationToken).AsTask();
        if (await Task.WhenAny(ready, Exited).ConfigureAwait(false) != ready)
        {
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, "the appliance ended before its agent answered");
        }

        await ready.ConfigureAwait(false);
    }

    /// <summary>Kills it, and removes what it has left.</summary>
    public async Task KillAsync()
    {
        _isOver = true;
        if (_launch is null)
        {
            return;
        }

        // Cancelled or not, a launch comes to an end, and only then is there something to kill.
        await BoundedEnd.OfAsync(new ValueTask(_launch)).ConfigureAwait(false);
        if (_launch.IsCompletedSuccessfully)
        {
            var launched = await _launch.ConfigureAwait(false);
            await BoundedEnd.OfAsync(launched.KillAsync(KillTime)).ConfigureAwait(false);
            await BoundedEnd.OfAsync(launched.DisposeAsync()).ConfigureAwait(false);
            if (_instance is null)
            {
                // It was cancelled before the channel took it over.
                await BoundedEnd.OfAsync(launched.Endpoint.DisposeAsync()).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Closes the channel.</summary>
    public ValueTask DisposeAsync() => _instance?.DisposeAsync() ?? ValueTask.CompletedTask;
}
