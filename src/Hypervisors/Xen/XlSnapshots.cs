using System.Globalization;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>
/// Snapshots of the machines that a <see cref="XlMachineLauncher"/> starts; it runs in dom0, as root. The memory of a snapshot is what xl saves, and each machine that
/// starts from it has memory of its own. Its disks are raw and have no overlays: they are copied while the domain stands still (<see cref="MachineSave.WhileStopped"/>).
/// </summary>
public sealed class XlSnapshots : IMachineSnapshots
{
    private const string SavedName = "domain";
    private const string VersionKey = "xen_version";
    private readonly XlMachineLauncher _launcher;

    /// <summary>Makes one.</summary>
    /// <param name="launcher">How machines run.</param>
    public XlSnapshots(XlMachineLauncher launcher)
    {
        ArgumentNullException.ThrowIfNull(launcher);
        _launcher = launcher;
    }

    /// <inheritdoc/>
    /// <remarks>Cancellation is seen before and after xl has saved the domain, and not meanwhile: a domain that is half saved could not go on.</remarks>
    public async Task<IReadOnlyDictionary<string, string>> SaveAsync(RunningMachine machine, MachineSave save, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(save);
        if (save.Overlays.Count > 0)
        {
            throw Refused($"the disks of {machine.Instance} are raw disks of a Xen domain, which has no overlays; copy them while it stands still, by a command (--disk-command) or by a call");
        }

        var present = await DescribeAsync(save.Machine, cancellationToken).ConfigureAwait(false);
        if (!machine.IsRunning)
        {
            throw Refused($"{machine.Instance} does not run");
        }

        await XlStandstill.RunAsync(_launcher.Program, machine, save.Folder is { } folder ? Path.Combine(Path.GetFullPath(folder), SavedName) : null, () =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            return save.WhileStopped?.Invoke(cancellationToken) ?? Task.CompletedTask;
        }).ConfigureAwait(false);
        return present;
    }

    /// <inheritdoc/>
    public Task FinishAsync(MachineRequest request, string folder, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(folder);
        return Task.Run(() =>
        {
            try
            {
                using var file = File.OpenHandle(Path.Combine(folder, SavedName), FileMode.Open, FileAccess.ReadWrite);
                RandomAccess.FlushToDisk(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw LocalFile.ToException(e, folder);
            }
        }, cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>It is a copy of the whole disk, with its holes.</remarks>
    public async Task<TargetDisk> OverlayAsync(TargetDisk disk, string overlay, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(disk);
        ArgumentNullException.ThrowIfNull(overlay);
        XlConfig.RequireRaw(disk);
        await Task.Run(() => LocalFile.Copy(disk.Path, overlay, cancellationToken), cancellationToken).ConfigureAwait(false);
        return new TargetDisk(overlay);
    }

    /// <inheritdoc/>
    /// <remarks><see cref="MachineRequest.OnStarted"/> is called as <see cref="XlMachineLauncher.StartAsync(MachineRequest, CancellationToken)"/> calls it.</remarks>
    public async Task StartAsync(MachineRequest request, string folder, IReadOnlyDictionary<string, string> saved, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(saved);
        SnapshotLikeness.Require(request.Instance, saved, await DescribeAsync(request, cancellationToken).ConfigureAwait(false));
        var file = Path.Combine(Path.GetFullPath(folder), SavedName);
        if (!File.Exists(file))
        {
            throw SnapshotLikeness.Differs(request.Instance, $"{file} is not there");
        }

        await _launcher.StartAsync(request, file, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What must be alike, but for addresses, which a guest changes by itself, and for paths.</summary>
    private async Task<Dictionary<string, string>> DescribeAsync(MachineRequest request, CancellationToken cancellationToken)
    {
        static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
        var options = _launcher.Options(request);
        var info = await XlCommand.RunAsync(_launcher.Program, cancellationToken, "info").ConfigureAwait(false);
        var version = info.Split('\n').FirstOrDefault(static line => line.StartsWith(VersionKey, StringComparison.Ordinal)) ?? "";
        return new Dictionary<string, string>
        {
            ["type"] = XlConfig.WordOf(options.Type),
            ["memory"] = $"{Number(options.MemoryMiB)} MiB",
            ["processors"] = Number(options.Cpus),
            ["number of disks"] = Number(options.Disks.Count),
            ["number of network interfaces"] = Number(options.Nics.Count),
            ["Xen"] = version[(version.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim(),
        };
    }

    private static ChannelException Refused(string text) => new(ChannelError.FailedPrecondition, ErrorClass.Refused, text);
}
