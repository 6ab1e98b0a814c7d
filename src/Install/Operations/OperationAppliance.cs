using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Images;
using ChannelSdk.Install.Mirror;
using ChannelSdk.Install.Processes;
using ChannelSdk.Metadata.Relay;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>The appliance of one operation: launched, reached, and killed at the operation's end.</summary>
/// <param name="plan">The operation.</param>
/// <param name="options">What all operations have in common.</param>
/// <param name="reports">The operation's.</param>
/// <param name="mirror">The proxy that it is served; null: none.</param>
/// <param name="image">The image that it is to read; null: none.</param>
internal sealed class OperationAppliance(OperationPlan plan, InstallerOptions options, OperationReports reports, MirrorProxy? mirror, ImageFile? image) : IAsyncDisposable
{
    /// <summary>For a launcher to tell what it knows, and for a kernel's words that may come a moment behind what they are about.</summary>
    private static readonly TimeSpan s_wordsTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);

    /// <summary>From the end of an operation to the end of its appliance.</summary>
    private static readonly TimeSpan s_killTime = TimeSpan.FromSeconds(2);

    private Task<ILaunchedInstance>? _launch;
    private ILaunchedInstance? _launched;
    private readonly ChannelHost _host = new();
    private Instance? _instance;
    private volatile bool _isOver;

    /// <summary>The channel to its agent, once it was booted.</summary>
    public Channel Channel => _instance!.Channel;

    /// <summary>Where it sees the disks.</summary>
    public IReadOnlyList<string> DiskDevices => _launched!.DiskDevices;

    /// <summary>What its script is told of the image.</summary>
    public IEnumerable<KeyValuePair<string, string>> ImageVariables => image is null ? [] : image.Plan.Variables(_launched!.MediaDevices[0], image.Bytes, plan.Package is not null);

    /// <summary>Whether it is served a proxy.</summary>
    public bool HasProxy => mirror is not null;

    /// <summary>Ends when it has.</summary>
    public Task Exited => _launched!.Exited;

    /// <summary>Whether its work is done, so that its last words explain nothing.</summary>
    public bool IsDone { get; set; }

    /// <summary>Launches it, and waits until its agent answers.</summary>
    /// <exception cref="ChannelException">It cannot be launched, or has ended before.</exception>
    public async Task BootAsync(string folder, Action<LaunchResource> onResource, CancellationToken cancellationToken)
    {
        var launcher = options.Launcher ?? throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
            $"the OS definition {plan.Definition.Name} has a half for an appliance, and this host has none to launch");
        _launch = launcher.LaunchAsync(new LaunchRequest
        {
            Instance = plan.Record.Name,
            Operation = plan.Id,
            Folder = folder,
            Disks = plan.Request.Disks,
            Media = image is null ? [] : [image.Path],
            Hardware = plan.Hardware,
            Environment = new Dictionary<string, string> { [OperationProcesses.ApplianceVariable] = plan.Id },
            OnResource = onResource,
            OnNote = text => reports.Note(InstallLogLevel.Warning, text),
        }, cancellationToken);
        if (_isOver)
        {
            // The launcher ignored the deadline, and the operation no longer waits for it.
            await KillAsync().ConfigureAwait(false);
            throw new OperationCanceledException(cancellationToken);
        }

        _launched = await _launch.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (image is not null && _launched.MediaDevices.Count == 0)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the launcher of this host attaches nothing but an instance's disks, so no appliance can read the image {image.Plan}");
        }

        _instance = _host.Attach(plan.Record.Name, _launched.Endpoint, new InstanceOptions
        {
            Channel = mirror is null ? options.Channel : MirrorProxy.WithRoom(options.Channel),
            Serve = Serve,
        });
        var ready = _instance.WaitReadyAsync(cancellationToken);
        if (await Task.WhenAny(ready, Exited).ConfigureAwait(false) != ready)
        {
            throw await EndedAsync("its agent answered", ErrorClass.Refused).ConfigureAwait(false);
        }

        await ready.ConfigureAwait(false);
    }

    /// <summary>Attends a half in it until that is done. Where it ends itself before, that is the error, with what is known of why.</summary>
    /// <param name="half">The half.</param>
    /// <param name="attend">Attends it.</param>
    /// <param name="onEnded">Told that the appliance has ended before; null: nobody.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ChannelException">The appliance has ended, or what the attending throws.</exception>
    public async Task AttendAsync(UntrustedScript half, Func<CancellationToken, Task> attend, Action? onEnded, CancellationToken cancellationToken)
    {
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var attending = attend(gone.Token);
        // An appliance that ends takes its stream with it, and either may be seen first.
        if (await Task.WhenAny(attending, Exited).ConfigureAwait(false) != attending || (half.End.IsFaulted && await EndsSoonAsync().ConfigureAwait(false)))
        {
            onEnded?.Invoke();
            await gone.CancelAsync().ConfigureAwait(false);
            await attending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw await EndedAsync("its work was done", ErrorClass.MayHaveRun).ConfigureAwait(false);
        }

        await attending.ConfigureAwait(false);
    }

    /// <summary>The failure of a script in it that did not end well.</summary>
    /// <param name="what">What its end means.</param>
    /// <param name="end">How it ended.</param>
    /// <param name="hint">What may have been the cause; empty: nothing is known.</param>
    public async Task<ChannelException> FailedAsync(string what, ScriptEnded end, string hint)
    {
        var words = reports.EndOf(InstallParty.Untrusted);
        var kernel = ScriptFailure.IsKilled(end) ? await KilledForMemoryAsync().ConfigureAwait(false) : "";
        return ScriptFailure.Of(reports, what, end, words, hint, kernel);
    }

    /// <summary>The error for one that has ended too early, with what is known of why.</summary>
    private async Task<ChannelException> EndedAsync(string before, ErrorClass @class)
    {
        var known = await DiagnoseAsync(_launched!).ConfigureAwait(false);
        var panic = ApplianceConsole.Panic(known.Console.Span);
        var why = (known.Reason, panic) switch
        {
            ("", _) => panic,
            (_, "") => known.Reason,
            _ => $"{known.Reason} ({panic})",
        };
        return new ChannelException(ChannelError.TransportFailed, @class, $"the appliance ended before {before}{(why.Length > 0 ? ": " : "")}{why}");
    }

    /// <summary>The words of its kernel about a process that was killed for want of memory; empty if there are none within a second.</summary>
    private async Task<string> KilledForMemoryAsync()
    {
        for (var begin = TimeProvider.System.GetTimestamp(); ; await Task.Delay(s_look).ConfigureAwait(false))
        {
            var line = ApplianceConsole.OutOfMemory((await DiagnoseAsync(_launched!).ConfigureAwait(false)).Console.Span);
            if (line.Length > 0 || TimeProvider.System.GetElapsedTime(begin) > s_wordsTime)
            {
                return line;
            }
        }
    }

    /// <summary>Kills it, and removes what it has left. The log gets its last words, unless its work is done.</summary>
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
            if (!IsDone)
            {
                var known = await DiagnoseAsync(launched).ConfigureAwait(false);
                reports.LastWords("console", known.Console.Span);
                reports.LastWords("hypervisor", known.Errors.Span);
            }

            await BoundedEnd.OfAsync(new ValueTask(launched.KillAsync(s_killTime))).ConfigureAwait(false);
            await BoundedEnd.OfAsync(launched.DisposeAsync()).ConfigureAwait(false);
            if (_instance is null)
            {
                // It was cancelled before the channel took it over.
                await BoundedEnd.OfAsync(launched.Endpoint.DisposeAsync()).ConfigureAwait(false);
            }
        }
    }

    private async Task<bool> EndsSoonAsync() => await Task.WhenAny(Exited, Task.Delay(s_wordsTime)).ConfigureAwait(false) == Exited;

    private static async Task<LaunchDiagnosis> DiagnoseAsync(ILaunchedInstance launched)
    {
        try
        {
            return await launched.DiagnoseAsync().AsTask().WaitAsync(s_wordsTime * 2).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // A launcher that cannot tell must not take the place of what went wrong.
            return LaunchDiagnosis.Unknown;
        }
    }

    private void Serve(ServiceRegistry services)
    {
        if (plan.Request.Metadata is { } metadata)
        {
            services.ServeMetadata(metadata);
        }

        mirror?.Serve(services);
    }

    /// <summary>Closes the channel.</summary>
    public ValueTask DisposeAsync() => _host.DisposeAsync();
}
