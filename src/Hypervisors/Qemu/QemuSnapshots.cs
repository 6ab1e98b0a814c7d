using System.Globalization;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// Snapshots of the machines that a <see cref="QemuMachineLauncher"/> starts. The memory of a snapshot is one file that all machines which start from it share, each
/// with its own writes in memory; disks are qcow2 overlays.
/// </summary>
public sealed class QemuSnapshots : IMachineSnapshots
{
    private const string Stream = "stream";
    private const string Memory = "memory";
    private const string Devices = "devices";
    private const string Version = "QEMU";
    private const string Mac = ",mac=";
    private const int EmptyDisk = 1 << 20;

    private static readonly TimeSpan s_undoTime = TimeSpan.FromSeconds(10);
    private readonly QemuMachineLauncher _launcher;

    /// <summary>Makes one.</summary>
    /// <param name="launcher">How machines run.</param>
    public QemuSnapshots(QemuMachineLauncher launcher)
    {
        ArgumentNullException.ThrowIfNull(launcher);
        _launcher = launcher;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyDictionary<string, string>> SaveAsync(RunningMachine machine, MachineSave save, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(save);
        await using var qmp = await QmpClient.ConnectAsync(QemuMachineLauncher.MonitorOf(machine), waitsForTurn: false, cancellationToken).ConfigureAwait(false);
        var disks = new QemuDisks(qmp);
        var found = save.Overlays.Count > 0 ? await disks.FindAsync(save.Overlays.Count, cancellationToken).ConfigureAwait(false) : [];
        var isCut = false;
        try
        {
            foreach (var (index, overlay) in save.Overlays.Index())
            {
                // The disk is in use, so its size is QEMU's to tell.
                Qcow2Overlay.Create(overlay, save.Machine.Disks[index], found[index].Bytes);
            }

            save.OnDisks(found.Count > 0 ? [.. save.Overlays.Select(static path => new TargetDisk(path, Qcow2Overlay.Format))] : save.Machine.Disks);
            await qmp.ExecuteAsync("stop", null, cancellationToken).ConfigureAwait(false);
            if (found.Count > 0)
            {
                await disks.CutAsync([.. found.Select(static disk => disk.Node)], save.Overlays, cancellationToken).ConfigureAwait(false);
                isCut = true;
            }

            await (save.WhileStopped?.Invoke(cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
            if (save.Folder is { } folder)
            {
                await new QemuState(qmp, static () => "its machine has its words").SaveAsync(Path.Combine(folder, Stream), cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            if (!isCut)
            {
                save.OnDisks(save.Machine.Disks);
                save.Overlays.Where(File.Exists).ToList().ForEach(File.Delete);
            }

            throw;
        }
        finally
        {
            using var soon = new CancellationTokenSource(s_undoTime);
            await qmp.ExecuteAsync("cont", null, soon.Token).ConfigureAwait(false);
        }

        return new Dictionary<string, string>(Describe(_launcher.Options(save.Machine))) { [Version] = qmp.Version };
    }

    /// <inheritdoc/>
    public async Task FinishAsync(MachineRequest request, string folder, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(folder);
        var (stream, memory, devices) = (Path.Combine(folder, Stream), Path.Combine(folder, Memory), Path.Combine(folder, Devices));
        // The running machine has the disks, and taps of these names.
        var empty = request.Disks.Select((_, i) => new TargetDisk(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"empty{i}")))).ToList();
        var options = _launcher.Options(request with { Instance = $"{request.Instance}/snapshot", Disks = empty, OnStarted = static _ => { } });
        try
        {
            empty.ForEach(static disk => Make(disk.Path, EmptyDisk));
            Make(memory, (long)options.MemoryMiB << 20);
            await using (var guest = await QemuGuest.StartAsync(options with
            {
                Folder = null,
                Memory = new QemuMemory(memory, IsCopied: false),
                RestoreFrom = stream,
                StaysStopped = true,
                OnReady = null,
            }, cancellationToken).ConfigureAwait(false))
            {
                await guest.SaveDevicesAsync(devices, cancellationToken).ConfigureAwait(false);
            }

            foreach (var path in (string[])[memory, devices])
            {
                using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
                RandomAccess.FlushToDisk(file);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw LocalFile.ToException(e, folder);
        }
        finally
        {
            empty.ForEach(static disk => File.Delete(disk.Path));
            File.Delete(stream);
        }
    }

    /// <inheritdoc/>
    public Task<TargetDisk> OverlayAsync(TargetDisk disk, string overlay, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(disk);
        ArgumentNullException.ThrowIfNull(overlay);
        Qcow2Overlay.Create(overlay, disk);
        return Task.FromResult(new TargetDisk(overlay, Qcow2Overlay.Format));
    }

    /// <inheritdoc/>
    public async Task StartAsync(MachineRequest request, string folder, IReadOnlyDictionary<string, string> saved, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(saved);
        var (options, memory) = (_launcher.Options(request), Path.Combine(folder, Memory));
        SnapshotLikeness.Require(request.Instance, saved, Describe(options));
        if (new FileInfo(memory) is not { Exists: true } file || file.Length != (long)options.MemoryMiB << 20)
        {
            throw SnapshotLikeness.Differs(request.Instance, $"{memory} is not {options.MemoryMiB} MiB of memory");
        }

        await using var guest = await QemuGuest.StartAsync(options with
        {
            IsDetached = true,
            RestartOnReboot = true,
            Memory = new QemuMemory(memory, IsCopied: true),
            RestoreFrom = Path.Combine(folder, Devices),
            OnConnected = version => SnapshotLikeness.Require(request.Instance, saved, new Dictionary<string, string> { [Version] = version }),
        }, cancellationToken).ConfigureAwait(false);
        guest.Leave();
    }

    /// <summary>What must be alike, but for addresses, which a guest changes by itself, and for paths.</summary>
    private static Dictionary<string, string> Describe(QemuOptions options) => new()
    {
        ["accelerator"] = options.EffectiveAccelerator,
        ["memory"] = $"{options.MemoryMiB.ToString(CultureInfo.InvariantCulture)} MiB",
        ["processors"] = options.Cpus.ToString(CultureInfo.InvariantCulture),
        ["channel"] = options.HasChannel ? options.PortName : "none",
        ["devices"] = string.Join(' ', options.Arguments.Zip(options.Arguments.Skip(1)).Where(static pair => pair.First == "-device").Select(static pair => WithoutMac(pair.Second))),
    };

    private static string WithoutMac(string device) => device.IndexOf(Mac, StringComparison.Ordinal) is >= 0 and var at
        ? device.Remove(at, Mac.Length + "aa:bb:cc:dd:ee:ff".Length) : device;

    private static void Make(string path, long bytes)
    {
        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        file.SetLength(bytes);
    }
}
