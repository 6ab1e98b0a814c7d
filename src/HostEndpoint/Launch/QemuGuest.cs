using System.Diagnostics;
using System.Text;
using ChannelSdk.Protocol;

namespace ChannelSdk.HostEndpoint.Launch;

/// <summary>
/// One QEMU process with one guest, in a work folder of its own that goes with it: virtio-serial channel, console and
/// QMP on Unix sockets. If this process dies without disposing of it, QEMU is killed.
/// </summary>
public sealed class QemuGuest : IAsyncDisposable
{
    /// <summary>
    /// Runs QEMU and kills it when our end of standard input closes, which the kernel sees to however we die. (A
    /// parent-death signal would follow the thread that started QEMU, and pool threads come and go.)
    /// </summary>
    private const string Guard = """
        exec 3<&0
        "$@" 3<&- </dev/null &
        qemu=$!
        (read -r _ <&3; kill -9 $qemu) 2>/dev/null >&2 &
        guard=$!
        wait $qemu
        code=$?
        kill $guard 2>/dev/null
        exit $code
        """;

    /// <summary>PCI slot of the vsock device, the same whether it is there from the start or plugged.</summary>
    private const string VsockSlot = "06";

    private readonly Process _process;
    private readonly string _folder;
    private readonly bool _ownsFolder;
    private readonly StringBuilder _errors = new();

    private QemuGuest(Process process, string folder, bool ownsFolder, QmpClient qmp)
    {
        (_process, _folder, _ownsFolder, Qmp) = (process, folder, ownsFolder, qmp);
        GuardProcess = Install.ProcessIdentity.Of(process.Id);
        process.ErrorDataReceived += (_, line) => AddError(line.Data);
        process.BeginErrorReadLine();
    }

    /// <summary>The machine protocol.</summary>
    public QmpClient Qmp { get; }

    /// <summary>URI of the channel's host side.</summary>
    public string ChannelUri => $"virtio-serial://{ChannelSocket}";

    /// <summary>Path of the channel's socket.</summary>
    public string ChannelSocket => Path.Combine(_folder, "channel.sock");

    /// <summary>Path of the serial console's socket.</summary>
    public string ConsoleSocket => Path.Combine(_folder, "console.sock");

    /// <summary>The process that guards QEMU and ends with it; null if it had ended at once.</summary>
    public Install.ProcessIdentity? GuardProcess { get; }

    /// <summary>Ends when the QEMU process has ended.</summary>
    public Task Exited => _process.WaitForExitAsync();

    /// <summary>Whether the QEMU process still runs.</summary>
    public bool IsRunning => !_process.HasExited;

    /// <summary>Starts QEMU and lets the guest run.</summary>
    /// <exception cref="ChannelException">QEMU is not installed or ended at once (TransportFailed, with its words).</exception>
    public static async Task<QemuGuest> StartAsync(QemuOptions options, CancellationToken cancellationToken = default)
    {
        var folder = options.Folder ?? Directory.CreateTempSubdirectory("channelsdk-guest-").FullName;
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (var (name, value) in options.Environment)
        {
            start.Environment[name] = value;
        }

        foreach (var argument in Arguments(options, folder))
        {
            start.ArgumentList.Add(argument);
        }

        var process = options.Network?.Start(start) ?? Process.Start(start)!;
        QmpClient qmp;
        try
        {
            qmp = await ConnectQmpAsync(process, folder, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            process.Kill(entireProcessTree: true);
            process.Dispose();
            if (options.Folder is null)
            {
                Directory.Delete(folder, recursive: true);
            }

            throw;
        }

        var guest = new QemuGuest(process, folder, options.Folder is null, qmp);
        try
        {
            if (options.RestoreFrom is not null)
            {
                await guest.WaitMigratedAsync(cancellationToken).ConfigureAwait(false);
            }

            await qmp.ExecuteAsync("cont", null, cancellationToken).ConfigureAwait(false);
            return guest;
        }
        catch
        {
            await guest.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stops the guest and writes its whole state to a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="goOn">Whether the guest runs on afterwards; it cannot be restored elsewhere and run on here without becoming two.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task SaveAsync(string path, bool goOn = false, CancellationToken cancellationToken = default)
    {
        await Qmp.ExecuteAsync("stop", null, cancellationToken).ConfigureAwait(false);
        await Qmp.ExecuteAsync("migrate-set-parameters", "{\"max-bandwidth\":10000000000}", cancellationToken).ConfigureAwait(false);
        await Qmp.ExecuteAsync("migrate", $"{{\"uri\":\"exec:cat > {path}\"}}", cancellationToken).ConfigureAwait(false);
        await WaitMigratedAsync(cancellationToken).ConfigureAwait(false);
        if (goOn)
        {
            await Qmp.ExecuteAsync("cont", null, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Plugs a vsock device into a running guest with <see cref="QemuOptions.SharedMemory"/>.</summary>
    /// <param name="socket">Path of the device's socket, which must be listening.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task PlugVsockAsync(string socket, CancellationToken cancellationToken = default)
    {
        await Qmp.ExecuteAsync("chardev-add",
            $"{{\"id\":\"vsock0\",\"backend\":{{\"type\":\"socket\",\"data\":{{\"server\":false,\"addr\":{{\"type\":\"unix\",\"data\":{{\"path\":\"{socket}\"}}}}}}}}}}",
            cancellationToken).ConfigureAwait(false);
        await Qmp.ExecuteAsync("device_add",
            $"{{\"driver\":\"vhost-user-vsock-pci\",\"id\":\"vsock0\",\"chardev\":\"vsock0\",\"addr\":\"{VsockSlot}\"}}",
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes the vsock device out of the running guest and waits until the guest has let it go.</summary>
    public async Task UnplugVsockAsync(CancellationToken cancellationToken = default)
    {
        await Qmp.ExecuteAsync("device_del", "{\"id\":\"vsock0\"}", cancellationToken).ConfigureAwait(false);
        while ((await Qmp.ExecuteAsync("qom-list", "{\"path\":\"/machine/peripheral\"}", cancellationToken).ConfigureAwait(false))
            .EnumerateArray().Any(device => device.GetProperty("name").GetString() == "vsock0"))
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

    /// <summary>Ends QEMU: by QMP, and by signal if that does not help within 3 s.</summary>
    public async ValueTask DisposeAsync()
    {
        await EndAsync(TimeSpan.FromSeconds(3)).ConfigureAwait(false);
        await Qmp.DisposeAsync().ConfigureAwait(false);
        _process.Dispose();
        if (_ownsFolder)
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    /// <summary>Ends QEMU, whatever the guest does.</summary>
    /// <param name="patience">How long it may take by QMP, before it is killed.</param>
    internal async ValueTask EndAsync(TimeSpan patience)
    {
        if (!_process.HasExited)
        {
            try
            {
                using var soon = new CancellationTokenSource(patience);
                await Qmp.ExecuteAsync("quit", null, soon.Token).ConfigureAwait(false);
                await _process.WaitForExitAsync(soon.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is ChannelException or OperationCanceledException)
            {
                _process.Kill(entireProcessTree: true);
                await _process.WaitForExitAsync().ConfigureAwait(false);
            }
        }
    }

    private static IEnumerable<string> Arguments(QemuOptions options, string folder)
    {
        var memory = options.MemoryMiB.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var isShared = options.SharedMemory || options.VsockSocket is not null;
        string[] start =
        [
            "-c", Guard, "sh", options.Program, "-accel", options.EffectiveAccelerator, "-M", isShared ? "pc,memory-backend=ram0" : "pc",
            "-m", memory,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-S",
            "-chardev", $"socket,id=console,path={folder}/console.sock,server=on,wait=off", "-serial", "chardev:console",
            "-qmp", $"unix:{folder}/qmp.sock,server=on,wait=off",
            // A fixed slot: a state file can only be restored onto the same places.
            "-device", "virtio-serial-pci,id=vs0,addr=05",
            "-chardev", $"socket,id=channel,path={folder}/channel.sock,server=on,wait=off",
            "-device", $"virtserialport,bus=vs0.0,nr=1,chardev=channel,name={options.PortName},id=port0",
        ];
        // On a loaded machine an emulated timer is late, and the kernel's check of it panics.
        string[] kernel = options.Kernel is null ? [] : ["-kernel", options.Kernel, "-append", $"console=ttyS0 quiet panic=-1 no_timer_check {options.Append}"];
        string[] initrd = options.Initrd is null ? [] : ["-initrd", options.Initrd];
        string[] shared = isShared ? ["-object", $"memory-backend-memfd,id=ram0,size={memory}M,share=on"] : [];
        string[] vsock = options.VsockSocket is { } socket
            ? ["-chardev", $"socket,id=vsock0,path={socket}", "-device", $"vhost-user-vsock-pci,id=vsock0,chardev=vsock0,addr={VsockSlot}"]
            : [];
        var restore = options.RestoreFrom is { } file ? new[] { "-incoming", $"exec:cat {file}" } : [];
        return [.. start, .. kernel, .. initrd, .. shared, .. vsock, .. options.Network?.Arguments ?? [], .. restore, .. options.Arguments];
    }

    private static async Task<QmpClient> ConnectQmpAsync(Process process, string folder, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (process.HasExited)
            {
                var words = await process.StandardError.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
                throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"QEMU ended at once with code {process.ExitCode}: {words.Trim()}");
            }

            try
            {
                return await QmpClient.ConnectAsync(Path.Combine(folder, "qmp.sock"), cancellationToken).ConfigureAwait(false);
            }
            catch (ChannelException e) when (e.Code == ChannelError.EndpointMissing)
            {
                await Task.Delay(5, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task WaitMigratedAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var state = await Qmp.ExecuteAsync("query-migrate", null, cancellationToken).ConfigureAwait(false);
            var status = state.TryGetProperty("status", out var s) ? s.GetString() : "none";
            if (status == "completed")
            {
                return;
            }

            if (status is "failed" or "cancelled")
            {
                throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"QEMU could not save or restore the guest: {status}; {Errors}");
            }

            await Task.Delay(5, cancellationToken).ConfigureAwait(false);
        }
    }

    private string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    private void AddError(string? line)
    {
        lock (_errors)
        {
            if (line is not null && _errors.Length < 4096)
            {
                _errors.AppendLine(line);
            }
        }
    }
}
