using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Images;
using ChannelSdk.Install.Mirror;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>The work of one operation: verify, appliance, both halves, package. What it has made is ended by <see cref="DisposeAsync"/>.</summary>
internal sealed class OperationRun : IAsyncDisposable
{
    /// <summary>What a verify that does not end well means.</summary>
    public const string VerifyFailure = "its verify refuses the parameters";

    private static readonly TimeSpan s_packageTime = TimeSpan.FromSeconds(30);

    private readonly OperationPlan _plan;
    private readonly InstallerOptions _options;
    private readonly OperationFolder _folder;
    private readonly OperationReports _reports;
    private readonly Action<LaunchResource> _onResource;
    private readonly HostScript _script;
    private readonly ScriptPair _pair;
    private MirrorProxy? _mirror;
    private OperationAppliance? _appliance;
    private ImageFile? _image;

    public OperationRun(OperationPlan plan, InstallerOptions options, OperationFolder folder, OperationReports reports, Action<LaunchResource> onResource)
    {
        (_plan, _options, _folder, _reports, _onResource) = (plan, options, folder, reports, onResource);
        _script = new HostScript(plan, options, folder, reports, onResource);
        _pair = new ScriptPair(plan, options, folder, reports, _script, onResource);
    }

    /// <summary>The disks whose data was moved as a whole.</summary>
    public IReadOnlyList<MovedData> Moved => _pair.Moved;

    /// <summary>Does it all. The package is asked for first, and fetched at the end.</summary>
    /// <exception cref="ChannelException">What has failed.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (var doubt in _plan.Request.Disks.Select(DiskHeader.DoubtOf).OfType<string>())
        {
            _reports.Note(InstallLogLevel.Warning, doubt);
        }

        if (_plan.Package is { } package)
        {
            // A wrong URL or password is told now, and not after the installation.
            await PackageSource.RequireAsync(package, _plan.Request.PackageCredentials, _options.PackageServers, s_packageTime, cancellationToken).ConfigureAwait(false);
        }

        if (_plan.Definition.HasVerify)
        {
            _reports.Enter(InstallPhase.Verifying);
            await _script.RunAsync(_plan.Definition.OpenVerify, [InstallNames.VerifiedParameters], null, VerifyFailure, cancellationToken).ConfigureAwait(false);
        }

        if (_plan.Image is { } image)
        {
            _reports.Enter(InstallPhase.Fetching, image.ToString());
            _image = await FetchAsync(image, cancellationToken).ConfigureAwait(false);
        }

        if (_plan.Scripts is not null)
        {
            _reports.Enter(InstallPhase.Booting);
            _mirror = _options.Mirrors.Count > 0 ? await StartMirrorAsync().ConfigureAwait(false) : null;
            _appliance = new OperationAppliance(_plan, _options, _reports, _mirror, _image);
            await _appliance.BootAsync(_folder.Appliance, _onResource, cancellationToken).ConfigureAwait(false);
            if (_plan.Definition.HasUntrustedVerify)
            {
                _reports.Enter(InstallPhase.Verifying);
                await ApplianceVerify.RunAsync(_plan, _appliance, _reports, cancellationToken).ConfigureAwait(false);
            }
        }

        _reports.Enter(InstallPhase.Running);
        await _pair.RunAsync(_appliance, cancellationToken).ConfigureAwait(false);
        if (_appliance is not null)
        {
            _appliance.IsDone = true;
        }
    }

    /// <summary>Ends all that still runs, the appliance and the script first and at the same time.</summary>
    public async ValueTask DisposeAsync()
    {
        _pair.End();
        await Task.WhenAll(_appliance?.KillAsync() ?? Task.CompletedTask, _script.EndAsync()).ConfigureAwait(false);
        // The stream before its channel.
        await _pair.DisposeAsync().ConfigureAwait(false);
        foreach (var part in (IAsyncDisposable?[])[_appliance, _mirror])
        {
            if (part is not null)
            {
                await BoundedEnd.OfAsync(part.DisposeAsync()).ConfigureAwait(false);
            }
        }

        _image?.Dispose();
    }

    private async Task<ImageFile> FetchAsync(ImagePlan image, CancellationToken cancellationToken)
    {
        using var meter = new DataMeter(0, _options.Time, progress => _reports.Image(progress.Bytes, progress.Total, null));
        var (file, sum) = await new ImageFetch(image, _plan.Id, _folder.Image, _options.ImageServers, _options.ImageBytes).RunAsync(meter, cancellationToken).ConfigureAwait(false);
        if (sum is not null)
        {
            _reports.Image(file.Bytes, file.Bytes, sum);
        }

        return file;
    }

    private Task<MirrorProxy> StartMirrorAsync() => MirrorProxy.StartAsync(
        new MirrorTraffic([.. _options.Mirrors.Select(MirrorOrigin.Parse)], _options.MirrorBytes, (level, text) => _reports.Note(level, _reports.Clean(text, ScriptLimits.MaxText))),
        _options.MirrorServers,
        new MirrorTimes());
}
