using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>The two halves of an operation, which run and talk at the same time. What it has made is ended by <see cref="DisposeAsync"/>.</summary>
internal sealed class ScriptPair : IAsyncDisposable
{
    private readonly OperationPlan _plan;
    private readonly InstallerOptions _options;
    private readonly OperationFolder _folder;
    private readonly OperationReports _reports;
    private readonly HostScript _script;
    private readonly TrustedSink _sink;
    private readonly ScriptParameters? _parameters;
    private readonly ScriptCoordinator? _trusted;
    private readonly HostPipes? _pipes;
    private readonly OperationData? _data;
    private ScriptServer? _server;
    private OperationAppliance? _appliance;
    private UntrustedScript? _untrusted;

    public ScriptPair(OperationPlan plan, InstallerOptions options, OperationFolder folder, OperationReports reports, HostScript script, Action<LaunchResource> onResource)
    {
        (_plan, _options, _folder, _reports, _script) = (plan, options, folder, reports, script);
        _sink = new TrustedSink(reports);
        _data = plan.Request.Data.Count > 0 ? new OperationData(plan, options, reports, onResource) : null;
        if (plan.HasTrusted)
        {
            _parameters = plan.ToScriptParameters();
            _trusted = new ScriptCoordinator(_sink, _parameters, options.Time);
            _pipes = new HostPipes(plan.Id, _trusted, reports);
        }
    }

    /// <summary>The disks whose data was moved as a whole.</summary>
    public IReadOnlyList<MovedData> Moved => _data?.Moved ?? [];

    /// <summary>Runs the halves that there are. The first failure is told; the other half has its grace then.</summary>
    /// <param name="appliance">Where the half in an appliance runs; null: there is none.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ChannelException">What has failed.</exception>
    public async Task RunAsync(OperationAppliance? appliance, CancellationToken cancellationToken)
    {
        _appliance = appliance;
        if (_trusted is not null)
        {
            _pipes!.Channel = appliance?.Channel;
            _server = new ScriptServer(_folder.ScriptSocket, _trusted, _pipes);
        }

        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (_plan.Scripts is { } scripts)
        {
            _untrusted = await UntrustedScript.StartAsync(
                _appliance!.Channel, _plan.ToRunRequest(_appliance.DiskDevices, _appliance.HasProxy, _appliance.ImageVariables), scripts, _reports, _trusted, cancellationToken).ConfigureAwait(false);
            _sink.Other = _untrusted.Stream;
        }
        else
        {
            _trusted!.EndPeer("there is no half in an appliance");
        }

        List<Task> halves = [];
        if (_untrusted is not null)
        {
            halves.Add(_appliance!.AttendAsync(_untrusted, token => AttendUntrustedAsync(_untrusted, token), () => _trusted?.EndPeer("the appliance has ended"), giveUp.Token));
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
                TellEarly(half, halves);
                giveUp.CancelAfter(_options.ScriptGrace);
            }
        }

        await (failed ?? Task.CompletedTask).ConfigureAwait(false);
        _data?.Commit();
    }

    // The end is told only when the other half has ended, too.
    private void TellEarly(Task failed, IReadOnlyList<Task> halves)
    {
        if (failed.Exception?.InnerException is ChannelException e && halves.Any(static half => !half.IsCompleted))
        {
            _reports.Note(InstallLogLevel.Error, $"{_reports.Clean(e.Message, ScriptLimits.MaxText)}; the other half has {_options.ScriptGrace.TotalSeconds:0.#} s to end by itself");
        }
    }

    /// <summary>The operation is over: calls of the half on the host that wait come back.</summary>
    public void End() => _trusted?.End("the operation is over");

    /// <summary>Ends the stream of the half in the appliance, and the socket of the half on the host.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var part in (IAsyncDisposable?[])[_untrusted, _server, _data])
        {
            if (part is not null)
            {
                await BoundedEnd.OfAsync(part.DisposeAsync()).ConfigureAwait(false);
            }
        }

        _parameters?.Wipe();
    }

    private async Task RunTrustedAsync(CancellationToken cancellationToken)
    {
        ScriptEnded? end = null;
        try
        {
            end = await (_data is null || _untrusted is not null ? CallTrustedAsync(null, cancellationToken) : MoveTrustedAsync(_data, cancellationToken)).ConfigureAwait(false);
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

    /// <summary>Calls the script on the host for one disk after the other.</summary>
    private async Task<ScriptEnded> MoveTrustedAsync(OperationData data, CancellationToken cancellationToken)
    {
        ScriptEnded? end = null;
        for (var disk = 0; disk < data.Count; disk++)
        {
            var flow = await data.OpenAsync(disk, cancellationToken).ConfigureAwait(false);
            using var joined = new HostData(data.IsExport, flow, disk, _plan.Request.Disks[disk].Path);
            end = await CallTrustedAsync(joined, cancellationToken).ConfigureAwait(false);
            await data.FinishAsync(flow, flow.Meter.Finish(), cancellationToken).ConfigureAwait(false);
        }

        return end!;
    }

    private Task<ScriptEnded> CallTrustedAsync(HostData? data, CancellationToken cancellationToken) => _script.RunAsync(
        () => _plan.Definition.OpenTrusted(_plan.Request.Action), [], _folder.ScriptSocket, "the half on the host failed", cancellationToken, data);

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

    private async Task AttendUntrustedAsync(UntrustedScript half, CancellationToken cancellationToken)
    {
        var end = await (_data is null ? half.End.WaitAsync(cancellationToken)
            : new ApplianceData(_plan.Id, _appliance!.Channel, half, _data).RunAsync(cancellationToken)).ConfigureAwait(false);
        if (end is not { Code: 0, Signal: 0, Reason: "" })
        {
            throw await _appliance!.FailedAsync("the half in the appliance failed", end, ScriptFailure.HintOf(_plan)).ConfigureAwait(false);
        }

        _reports.EndOf(InstallParty.Untrusted);
        if (_plan.Package is { } package)
        {
            _reports.Enter(InstallPhase.Personalizing, package.ToString());
            var laid = await PackageDelivery.SendAsync(_appliance!.Channel, _plan.Id, package, _plan.Request.PackageCredentials, _options.PackageServers, cancellationToken).ConfigureAwait(false);
            _reports.Note(InstallLogLevel.Info, $"the personalization package was laid over the system: {laid.Entries} entries, {laid.Bytes} bytes");
        }

        await half.FinishAsync(cancellationToken).ConfigureAwait(false);
    }
}
