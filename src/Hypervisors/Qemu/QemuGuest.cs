using System.Text.Json.Nodes;
using ChannelSdk.Host.Json;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// One QEMU process with one guest, in a work folder of its own that goes with it: virtio-serial channel, console and
/// QMP on Unix sockets. If this process dies without disposing of it, QEMU is killed.
/// </summary>
public sealed class QemuGuest : IAsyncDisposable
{
    private const int MaxDevices = 1024;
    private static readonly TimeSpan s_endPatience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_killPatience = TimeSpan.FromSeconds(5);

    private readonly QemuProcess _process;
    private readonly string _folder;
    private readonly TemporaryFolder? _ownFolder;
    private QemuWitness? _witness;
    private bool _isLeft;

    private QemuGuest(QemuProcess process, string folder, TemporaryFolder? ownFolder, QmpClient qmp) =>
        (_process, _folder, _ownFolder, Qmp) = (process, folder, ownFolder, qmp);

    /// <summary>The machine protocol.</summary>
    public QmpClient Qmp { get; }

    /// <summary>URI of the channel's host side.</summary>
    public string ChannelUri => ChannelUriIn(_folder);

    /// <summary>Path of the channel's socket.</summary>
    public string ChannelSocket => Path.Combine(_folder, "channel.sock");

    /// <summary>Path of the serial console's socket.</summary>
    public string ConsoleSocket => Path.Combine(_folder, "console.sock");

    /// <summary>The process of QEMU; null if it had ended at once.</summary>
    public ProcessIdentity? Process => _process.Identity;

    /// <summary>Folders of the control groups that QEMU is in; none where this machine gives it none.</summary>
    internal IReadOnlyList<string> ControlGroups => _process.ControlGroups;

    /// <summary>Ends when the QEMU process has ended.</summary>
    public Task Exited => _process.Exited;

    /// <summary>Ends when a watched guest can go on no more: QEMU has ended, or has stopped it for a disk that it cannot use.</summary>
    internal Task Over => _witness is null ? Exited : Task.WhenAny(Exited, _witness.Stopped);

    /// <summary>Whether the QEMU process still runs.</summary>
    public bool IsRunning => _process.IsRunning;

    /// <summary>Starts QEMU and lets the guest run.</summary>
    /// <exception cref="ChannelException">QEMU is not installed or ended at once (<see cref="ChannelError.TransportFailed"/>, with its error output).</exception>
    /// <exception cref="ArgumentException">An option that is not allowed.</exception>
    public static async Task<QemuGuest> StartAsync(QemuOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var ownFolder = options.Folder is null ? TemporaryFolder.Create("channelsdk-qemu-") : null;
        var folder = options.Folder ?? ownFolder!.Path;
        var secret = options.Network?.SecretFile;
        QemuProcess? process = null;
        QemuGuest? guest = null;
        try
        {
            process = QemuProcess.Start(options, folder);
            if (process.Identity is { } identity)
            {
                options.OnStarted?.Invoke(identity, process.ControlGroups);
            }

            guest = new QemuGuest(process, folder, ownFolder, await ConnectQmpAsync(process, folder, cancellationToken).ConfigureAwait(false));
            await guest.RunAsync(options, cancellationToken).ConfigureAwait(false);
            return guest;
        }
        catch (Exception e)
        {
            // Its socket is there before its disks are: what it says of them tells more than that it has gone.
            var words = process is not null && e is ChannelException { Code: ChannelError.LinkLost } ? await process.EndedSoonAsync().ConfigureAwait(false) : null;
            await (guest?.DisposeAsync().AsTask() ?? DropAsync(process, ownFolder)).ConfigureAwait(false);
            if (words is not null)
            {
                throw words;
            }

            throw;
        }
        finally
        {
            if (secret is not null)
            {
                _ = FileCalls.Unlink(secret);
            }
        }
    }

    /// <summary>Stops the guest and writes its whole state to a file.</summary>
    /// <param name="path">The file; an existing one is replaced. Only this user can read it, as it has the guest's memory.</param>
    /// <param name="goOn">Whether the guest runs on afterwards; it cannot be restored elsewhere and run on here without becoming two.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>, <see cref="ChannelError.PermissionDenied"/> or <see cref="ChannelError.FailedPrecondition"/>: the file; or why QEMU could not.</exception>
    public async Task SaveAsync(string path, bool goOn = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        await new QemuState(Qmp, () => _process.ErrorOutput).SaveAsync(path, cancellationToken).ConfigureAwait(false);
        if (goOn)
        {
            await Qmp.ExecuteAsync("cont", null, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Writes the state of a guest that stands still, without the memory, which is a file.</summary>
    internal Task SaveDevicesAsync(string path, CancellationToken cancellationToken) => new QemuState(Qmp, () => _process.ErrorOutput, hasMemory: false).SaveAsync(path, cancellationToken);

    /// <summary>Plugs a vsock device into a running guest with <see cref="QemuOptions.SharedMemory"/>.</summary>
    /// <param name="socket">Path of the device's socket, which must be listening.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task PlugVsockAsync(string socket, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(socket);
        var address = new JsonObject { ["type"] = "unix", ["data"] = new JsonObject { ["path"] = socket } };
        var backend = new JsonObject { ["type"] = "socket", ["data"] = new JsonObject { ["server"] = false, ["addr"] = address } };
        await Qmp.ExecuteAsync("chardev-add", new JsonObject { ["id"] = "vsock0", ["backend"] = backend }.ToJsonString(), cancellationToken).ConfigureAwait(false);
        await Qmp.ExecuteAsync("device_add",
            $"{{\"driver\":\"vhost-user-vsock-pci\",\"id\":\"vsock0\",\"chardev\":\"vsock0\",\"addr\":\"{QemuArguments.VsockSlot}\"}}",
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes the vsock device out of the running guest and waits until the guest has let it go.</summary>
    public async Task UnplugVsockAsync(CancellationToken cancellationToken = default)
    {
        await Qmp.ExecuteAsync("device_del", "{\"id\":\"vsock0\"}", cancellationToken).ConfigureAwait(false);
        while (UntrustedJson.Items(await Qmp.ExecuteAsync("qom-list", "{\"path\":\"/machine/peripheral\"}", cancellationToken).ConfigureAwait(false), MaxDevices)
            .Any(device => UntrustedJson.Text(device, "name") == "vsock0"))
        {
            await Task.Delay(5, cancellationToken).ConfigureAwait(false);
        }

        // The device lets go of its socket a moment after it has left the tree.
        while (!await TryAsync("chardev-remove", "{\"id\":\"vsock0\"}", cancellationToken).ConfigureAwait(false))
        {
            await Task.Delay(5, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<bool> TryAsync(string command, string arguments, CancellationToken cancellationToken)
    {
        try
        {
            await Qmp.ExecuteAsync(command, arguments, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ChannelException e) when (e.Code == ChannelError.Internal)
        {
            return false;
        }
    }

    /// <summary>URI of the channel's host side of a guest in a folder.</summary>
    internal static string ChannelUriIn(string folder) => $"virtio-serial://{Path.Combine(folder, "channel.sock")}";

    /// <summary>Lets a detached QEMU go on when this is disposed of, and when this process ends.</summary>
    internal void Leave() => _isLeft = true;

    /// <summary>Ends QEMU: by QMP, and by force if that does not help within 3 s.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_isLeft)
        {
            await EndAsync(s_endPatience, s_killPatience).ConfigureAwait(false);
        }

        await Qmp.DisposeAsync().ConfigureAwait(false);
        if (_witness is not null)
        {
            await _witness.DisposeAsync().ConfigureAwait(false);
        }

        _process.Dispose();
        _ownFolder?.Dispose();
    }

    /// <summary>What is known of it by now, if it is watched.</summary>
    internal ValueTask<LaunchDiagnosis> DiagnoseAsync() => _witness?.DiagnoseAsync() ?? ValueTask.FromResult(LaunchDiagnosis.Unknown);

    /// <summary>Ends QEMU, without its or the guest's cooperation.</summary>
    /// <param name="patience">How long it may take by QMP, before it is killed.</param>
    /// <param name="within">How long its end is waited for then.</param>
    internal async Task EndAsync(TimeSpan patience, TimeSpan within)
    {
        try
        {
            if (IsRunning)
            {
                using var soon = new CancellationTokenSource(patience);
                await Qmp.ExecuteAsync("quit", null, soon.Token).ConfigureAwait(false);
                await Exited.WaitAsync(soon.Token).ConfigureAwait(false);
            }
        }
        catch (Exception)
        {
            // It was only asked; its answer does not matter.
        }
        finally
        {
            await _process.KillAsync(within).ConfigureAwait(false);
        }
    }

    private async Task RunAsync(QemuOptions options, CancellationToken cancellationToken)
    {
        if (options.RestoreFrom is { } file)
        {
            options.OnConnected?.Invoke(Qmp.Version);
            await new QemuState(Qmp, () => _process.ErrorOutput, options.Memory is not { IsCopied: true }).LoadAsync(file, cancellationToken).ConfigureAwait(false);
        }

        if (options.StaysStopped)
        {
            return;
        }

        if (options.WatchedDisks is { } disks)
        {
            _witness = await QemuWitness.StartAsync(_process, Qmp, ConsoleSocket, disks, cancellationToken).ConfigureAwait(false);
        }

        await (options.OnReady?.Invoke(cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
        await Qmp.ExecuteAsync("cont", null, cancellationToken).ConfigureAwait(false);
    }

    private static async Task DropAsync(QemuProcess? process, TemporaryFolder? folder)
    {
        if (process is not null)
        {
            await process.KillAsync(s_killPatience).ConfigureAwait(false);
            process.Dispose();
        }

        folder?.Dispose();
    }

    private static async Task<QmpClient> ConnectQmpAsync(QemuProcess process, string folder, CancellationToken cancellationToken)
    {
        while (process.IsRunning)
        {
            try
            {
                return await QmpClient.ConnectAsync(Path.Combine(folder, "qmp.sock"), cancellationToken).ConfigureAwait(false);
            }
            catch (ChannelException e) when (e.Code == ChannelError.EndpointMissing)
            {
                await Task.Delay(2, cancellationToken).ConfigureAwait(false);
            }
        }

        throw await process.EndedAsync().ConfigureAwait(false);
    }
}
