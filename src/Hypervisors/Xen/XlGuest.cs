using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>
/// One Xen domain, made and ended by xl in dom0. Its number changes when it reboots or is restored; its name and
/// <see cref="NewEndpoint"/> go on. A domain outlives this process: who made it destroys it, by its name if need be.
/// </summary>
public sealed class XlGuest : IAsyncDisposable
{
    /// <summary>The vchan of the agent.</summary>
    public const string ChannelName = "org.channelsdk.agent.0";

    private readonly XlOptions _options;
    private readonly Lock _gate = new();
    private XlMonitor? _monitor;
    private CancellationTokenSource _moving = new();
    private uint _id;

    private XlGuest(XlOptions options) => _options = options;

    /// <summary>Its name.</summary>
    public string Name => _options.Name;

    /// <summary>Its number now, or the last that it had.</summary>
    public uint DomainId
    {
        get
        {
            lock (_gate)
            {
                return _id;
            }
        }
    }

    /// <summary>URI of the channel's host side, as long as its number stays.</summary>
    public string ChannelUri => UriOf(DomainId);

    /// <summary>Ends when the domain has ended; a reboot that starts it again is no end.</summary>
    public Task Exited => _monitor?.Exited ?? Task.CompletedTask;

    /// <summary>The xl that waits for the domain's end.</summary>
    internal ProcessIdentity? MonitorProcess => _monitor?.Identity;

    /// <summary>Makes a domain and lets it run.</summary>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.BadConfiguration"/>: its configuration cannot be written, or xl is not there. <see cref="ChannelError.TransportFailed"/>: xl refuses, with its error output.
    /// </exception>
    public static async Task<XlGuest> StartAsync(XlOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var config = Path.Combine(options.Folder, $"{options.Name}.cfg");
        await File.WriteAllTextAsync(config, XlConfig.Text(options), cancellationToken).ConfigureAwait(false);
        var guest = new XlGuest(options);
        await guest.MakeAsync(cancellationToken, "create", "-F", config).ConfigureAwait(false);
        return guest;
    }

    /// <summary>An endpoint that leads to the agent although the domain's number changes.</summary>
    public ITransportEndpoint NewEndpoint() => new MovingEndpoint($"vchan://{Name}/{ChannelName}", () =>
    {
        lock (_gate)
        {
            return (UriOf(_id), _moving.Token);
        }
    });

    /// <summary>Asks the domain by Xen's own means to stop (xl.cfg(5): on_poweroff).</summary>
    public Task ShutdownAsync(CancellationToken cancellationToken = default) => XlCommand.RunAsync(_options.Program, cancellationToken, "shutdown", Name);

    /// <summary>Writes the whole state of the domain to a file; the domain is gone then.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TransportFailed"/>: xl refuses, with its error output.</exception>
    public async Task SaveAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        await XlCommand.RunAsync(_options.Program, cancellationToken, "save", Name, path).ConfigureAwait(false);
        await Exited.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lets the domain go on from a file that <see cref="SaveAsync"/> wrote, under the same name.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: it runs. <see cref="ChannelError.TransportFailed"/>: xl refuses, with its error output.</exception>
    public async Task RestoreAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!Exited.IsCompleted)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"the domain {Name} runs; it cannot be there twice");
        }

        await EndMonitorAsync().ConfigureAwait(false);
        await MakeAsync(cancellationToken, "restore", "-F", path).ConfigureAwait(false);
    }

    /// <summary>What xl has said of its end.</summary>
    internal ValueTask<LaunchDiagnosis> DiagnoseAsync() => _monitor?.DiagnoseAsync() ?? ValueTask.FromResult(LaunchDiagnosis.Unknown);

    /// <summary>Ends the domain by force.</summary>
    /// <param name="within">Time that it may take in all.</param>
    /// <exception cref="TimeoutException">It did not end in that time.</exception>
    public async Task DestroyAsync(TimeSpan within)
    {
        var destroying = XlCommand.TryDestroyAsync(_options.Program, Name);
        await Task.WhenAll(destroying, Exited).WaitAsync(within).ConfigureAwait(false);
    }

    /// <summary>Destroys the domain, if it is there.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_monitor is not null)
        {
            if (!Exited.IsCompleted)
            {
                await XlCommand.TryDestroyAsync(_options.Program, Name).ConfigureAwait(false);
            }

            await EndMonitorAsync().ConfigureAwait(false);
        }
    }

    private async Task MakeAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        var monitor = new XlMonitor(_options, Move, arguments);
        try
        {
            await monitor.WaitMadeAsync(cancellationToken).ConfigureAwait(false);
            _monitor = monitor;
        }
        catch
        {
            await monitor.DisposeAsync().ConfigureAwait(false);
            await XlCommand.TryDestroyAsync(_options.Program, Name).ConfigureAwait(false);
            throw;
        }
    }

    private void Move(uint id)
    {
        CancellationTokenSource before;
        lock (_gate)
        {
            before = _moving;
            (_id, _moving) = (id, new CancellationTokenSource());
        }

        before.Cancel();
    }

    private async ValueTask EndMonitorAsync()
    {
        if (_monitor is { } monitor)
        {
            _monitor = null;
            await monitor.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static string UriOf(uint id) => string.Create(CultureInfo.InvariantCulture, $"vchan://{id}/{ChannelName}");
}
