using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>The work of one operation: verify, appliance, both halves, package. What it has made is ended by <see cref="DisposeAsync"/>.</summary>
internal sealed class OperationRun : IAsyncDisposable
{
    private static readonly TimeSpan s_exitWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_packageTime = TimeSpan.FromSeconds(30);

    private readonly OperationPlan _plan;
    private readonly InstallerOptions _options;
    private readonly OperationFolder _folder;
    private readonly OperationReports _reports;
    private readonly Action<LaunchResource> _onResource;
    private readonly TrustedSink _sink;
    private readonly ScriptParameters? _parameters;
    private readonly ScriptCoordinator? _trusted;
    private ScriptServer? _server;
    private HostProcess? _script;
    private OperationAppliance? _appliance;
    private UntrustedScript? _untrusted;

    public OperationRun(OperationPlan plan, InstallerOptions options, OperationFolder folder, OperationReports reports, Action<LaunchResource> onResource)
    {
        (_plan, _options, _folder, _reports, _onResource) = (plan, options, folder, reports, onResource);
        _sink = new TrustedSink(reports);
        if (plan.HasTrusted)
        {
            _parameters = plan.ToScriptParameters();
            _trusted = new ScriptCoordinator(_sink, _parameters, options.Time);
        }
    }

    /// <summary>Does it all. The package is asked for first, and fetched at the end.</summary>
    /// <exception cref="ChannelException">What has failed.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_plan.Package is { } package)
        {
            // A wrong URL or password is told now, and not after the installation.
            await PackageSource.RequireAsync(package, _plan.Request.PackageCredentials, new PackageAddresses(_options.PackageNetworks), s_packageTime, cancellationToken).ConfigureAwait(false);
        }

        if (_plan.Definition.HasVerify)
        {
            await RunScriptAsync(_plan.Definition.OpenVerify, ["parameters"], null, "its verify refuses the parameters", cancellationToken).ConfigureAwait(false);
        }

        if (_plan.Scripts is not null)
        {
            _reports.Enter(InstallPhase.Booting);
            _appliance = new OperationAppliance(_plan, _options);
            await _appliance.BootAsync(_folder.Appliance, _onResource, cancellationToken).ConfigureAwait(false);
        }

        _reports.Enter(InstallPhase.Running);
        if (_trusted is not null)
        {
            _server = new ScriptServer(_folder.ScriptSocket, _trusted);
        }

        await RunScriptsAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends all that still runs, the appliance and the script first and at the same time.</summary>
    public async ValueTask DisposeAsync()
    {
        _trusted?.End("the operation is over");
        await Task.WhenAll(_appliance?.KillAsync() ?? Task.CompletedTask, EndScriptAsync()).ConfigureAwait(false);
        // The stream before its channel.
        foreach (var part in (IAsyncDisposable?[])[_untrusted, _appliance, _server])
        {
            if (part is not null)
            {
                await BoundedEnd.OfAsync(part.DisposeAsync()).ConfigureAwait(false);
            }
        }

        _parameters?.Wipe();
    }

    private async Task RunScriptsAsync(CancellationToken cancellationToken)
    {
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (_plan.Scripts is { } scripts)
        {
            _untrusted = await UntrustedScript.StartAsync(
                _appliance!.Channel, _plan.ToRunRequest(_appliance.DiskDevices), scripts, _reports, _trusted, cancellationToken).ConfigureAwait(false);
            _sink.Other = _untrusted.Stream;
        }
        else
        {
            _trusted!.EndPeer("there is no half in an appliance");
        }

        List<Task> halves = [];
        if (_untrusted is not null)
        {
            halves.Add(RunUntrustedAsync(_untrusted, giveUp.Token));
        }

        if (_trusted is not null)
        {
            halves.Add(RunTrustedAsync(giveUp.Token));
        }

        Task? failed = null;
        await foreach (var half in Task.WhenEach(halves).ConfigureAwait(false))
        {
            if (!half.IsCompletedSuccessfully && failed is null)
            {
                failed = half;
                giveUp.CancelAfter(_options.ScriptGrace);
            }
        }

        await (failed ?? Task.CompletedTask).ConfigureAwait(false);
    }

    private async Task RunTrustedAsync(CancellationToken cancellationToken)
    {
        ScriptEnded? end = null;
        try
        {
            end = await RunScriptAsync(() => _plan.Definition.OpenTrusted(_plan.Request.Action), [], _folder.ScriptSocket, "the half on the host failed", cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException e)
        {
            end = InstallWire.Ended(1, 0, _reports.Clean(e.Message, ScriptLimits.MaxText));
            throw;
        }
        finally
        {
            // The other half learns it at once.
            if (_untrusted is not null && end is not null && !_untrusted.End.IsCompleted)
            {
                await TellAsync(end, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task TellAsync(ScriptEnded end, CancellationToken cancellationToken)
    {
        try
        {
            await _untrusted!.Stream.WriteAsync(InstallMessage.Ended, end).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException)
        {
            // It has ended meanwhile; its own task tells how.
        }
    }

    private async Task<ScriptEnded> RunScriptAsync(Func<SourceFile> open, string[] arguments, string? socket, string failure, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // Until it has ended: its interpreter opens it by our descriptor.
        using var script = open();
        var environment = _plan.ToEnvironment(_options.TrustedPath, _folder.Work, socket);
        try
        {
            _script = HostProcess.Start(script, arguments, environment, _plan.Definition.Folder, _plan.Id, (isError, bytes) => _reports.Output(InstallParty.Trusted, isError, bytes.Span));
        }
        finally
        {
            foreach (var variable in environment)
            {
                Array.Clear(variable);
            }
        }

        _onResource(LaunchResource.Of(_script.Identity));
        if (_script.ControlGroup is { } group)
        {
            _onResource(new LaunchResource(LaunchResourceKind.ControlGroup, group));
        }

        var end = await _script.End.WaitAsync(cancellationToken).ConfigureAwait(false);
        var words = _reports.EndOf(InstallParty.Trusted);
        await EndScriptAsync().ConfigureAwait(false);
        return end is { Code: 0, Signal: 0 } ? end : throw Failed(failure, end, words);
    }

    private async Task RunUntrustedAsync(UntrustedScript half, CancellationToken cancellationToken)
    {
        var exited = _appliance!.Exited;
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var attending = AttendUntrustedAsync(half, gone.Token);
        // An appliance that ends takes its stream with it, and either may be seen first.
        if (await Task.WhenAny(attending, exited).ConfigureAwait(false) != attending || (half.End.IsFaulted && await EndsSoonAsync(exited).ConfigureAwait(false)))
        {
            _trusted?.EndPeer("the appliance has ended");
            await gone.CancelAsync().ConfigureAwait(false);
            await attending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.MayHaveRun, "the appliance ended before its work was done");
        }

        await attending.ConfigureAwait(false);
    }

    private static async Task<bool> EndsSoonAsync(Task exited) =>
        await Task.WhenAny(exited, Task.Delay(s_exitWait)).ConfigureAwait(false) == exited;

    private async Task AttendUntrustedAsync(UntrustedScript half, CancellationToken cancellationToken)
    {
        var end = await half.End.WaitAsync(cancellationToken).ConfigureAwait(false);
        var words = _reports.EndOf(InstallParty.Untrusted);
        if (end is not { Code: 0, Signal: 0 } || end.Reason.Length > 0)
        {
            throw Failed("the half in the appliance failed", end, words);
        }

        if (_plan.Package is { } package)
        {
            _reports.Enter(InstallPhase.Personalizing, package.ToString());
            var laid = await PackageDelivery.SendAsync(_appliance!.Channel, _plan.Id, package, _plan.Request.PackageCredentials, new PackageAddresses(_options.PackageNetworks), cancellationToken).ConfigureAwait(false);
            _reports.Note(InstallLogLevel.Info, $"the personalization package was laid over the system: {laid.Entries} entries, {laid.Bytes} bytes");
        }

        await half.FinishAsync(cancellationToken).ConfigureAwait(false);
    }

    private ChannelException Failed(string what, ScriptEnded end, string words)
    {
        var how = end.Signal != 0 ? $"ended by signal {end.Signal}" : $"exit code {end.Code}";
        var why = end.Reason.Length > 0 ? $"{how}, {_reports.Clean(end.Reason, ScriptLimits.MaxText)}" : how;
        return new ChannelException(ChannelError.FailedPrecondition, ErrorClass.MayHaveRun, $"{what} ({why}){(words.Length > 0 ? $"; its last words: {words}" : "")}");
    }

    private async Task EndScriptAsync()
    {
        if (Interlocked.Exchange(ref _script, null) is { } script)
        {
            await BoundedEnd.OfAsync(script.DisposeAsync()).ConfigureAwait(false);
        }
    }
}
