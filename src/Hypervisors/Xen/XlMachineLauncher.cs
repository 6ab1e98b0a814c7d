using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Options;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>How the machines of instances run under Xen.</summary>
public sealed record XlMachineOptions
{
    /// <summary>How they are virtualized.</summary>
    public XenDomainType Type { get; init; }

    /// <summary>Memory in MiB of a machine that does not say how much it needs, 1 to 16,777,216.</summary>
    public int MemoryMiB { get; init; } = 512;

    /// <summary>Name or path of xl.</summary>
    public string Program { get; init; } = XlCommand.DefaultProgram;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal XlMachineOptions Validated()
    {
        OptionCheck.Defined(Type);
        OptionCheck.Range(MemoryMiB, 1, 16 << 20);
        OptionCheck.Path(Program);
        return this;
    }
}

/// <summary>
/// Starts and ends the machines of instances as Xen domains, each with the instance's name; it runs in dom0, as root. An xl in the foreground, in a
/// session of its own, is the process that lives as long as the domain.
/// </summary>
public sealed class XlMachineLauncher : IMachineLauncher
{
    private const string Detached = """
        log=$1
        shift
        cd /
        exec setsid -- "$@" </dev/null >"$log" 2>&1
        """;

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);
    private readonly XlMachineOptions _options;

    /// <summary>Makes a launcher.</summary>
    /// <param name="options">How they run.</param>
    /// <exception cref="ArgumentException">An option that is not allowed.</exception>
    public XlMachineLauncher(XlMachineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Validated();
    }

    /// <summary>Name or path of xl.</summary>
    internal string Program => _options.Program;

    /// <inheritdoc/>
    /// <remarks><see cref="MachineRequest.OnStarted"/> is called again when the domain's number is known, which the channel's URI has in it.</remarks>
    public Task StartAsync(MachineRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return StartAsync(request, null, cancellationToken);
    }

    /// <summary>As the other one, from a file that xl has saved a domain in; null: it boots.</summary>
    internal async Task StartAsync(MachineRequest request, string? saved, CancellationToken cancellationToken)
    {
        var (config, log) = (Path.Combine(request.Folder, "xl.cfg"), Path.Combine(request.Folder, "xl.log"));
        await File.WriteAllTextAsync(config, XlConfig.Text(Options(request)), cancellationToken).ConfigureAwait(false);
        // What was said of an earlier domain is not of this one.
        File.Delete(log);
        string[] arguments = saved is null ? ["create", "-F", config] : ["restore", "-F", config, saved];
        using var process = Start(log, arguments);
        try
        {
            var machine = new RunningMachine
            {
                Instance = request.Instance,
                Process = ProcessIdentity.Of(process.Id) ?? new ProcessIdentity(process.Id, 0),
                Started = DateTimeOffset.UtcNow,
                ConsoleCommand = [_options.Program, "console", request.Instance],
            };
            request.OnStarted(machine);
            var id = await MadeAsync(process, arguments[0], log, cancellationToken).ConfigureAwait(false);
            if (request.HasChannel)
            {
                request.OnStarted(machine with { ChannelUri = string.Create(CultureInfo.InvariantCulture, $"vchan://{id}/{XlGuest.ChannelName}") });
            }
        }
        catch
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            await XlCommand.TryDestroyAsync(_options.Program, request.Instance).ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public Task<IAttendedMachine> AttendAsync(MachineRequest request, string metadataSocket, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(metadataSocket);
        throw Wrong($"{request.Instance} cannot install itself as a Xen domain, which has no link to this host for its metadata; install it by an OS definition");
    }

    /// <inheritdoc/>
    public Task PowerDownAsync(RunningMachine machine, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(machine);
        return XlCommand.RunAsync(_options.Program, cancellationToken, "shutdown", machine.Instance);
    }

    /// <inheritdoc/>
    public async Task<bool> KillAsync(RunningMachine machine, TimeSpan within)
    {
        ArgumentNullException.ThrowIfNull(machine);
        using var limit = new CancellationTokenSource(within);
        await ((Task)XlCommand.TryDestroyAsync(_options.Program, machine.Instance)).WaitAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await MachineEnd.WaitAsync(machine, limit.Token).ConfigureAwait(false);
    }

    /// <summary>The domain of a machine.</summary>
    internal XlOptions Options(MachineRequest request)
    {
        if (request.Boot is not { Kernel: { } kernel, Initrd: { } initrd, Medium: null })
        {
            throw Wrong($"{request.Instance} cannot be started as a Xen domain, which boots a kernel of this host and no medium; its record needs kernel_path and initrd_path");
        }

        var options = new XlOptions
        {
            Name = request.Instance,
            Kernel = kernel,
            Initrd = initrd,
            Append = request.Boot.Append,
            MemoryMiB = request.Hardware.MemoryMiB ?? _options.MemoryMiB,
            Cpus = request.Hardware.Cpus,
            Nics = request.Hardware.Nics,
            Type = _options.Type,
            Disks = request.Disks,
            RestartOnReboot = true,
            Folder = request.Folder,
            Program = _options.Program,
        };
        options.Validate();
        return options;
    }

    private Process Start(string log, params string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo("/bin/sh", ["-c", Detached, "sh", log, _options.Program, .. arguments]))!;
        }
        catch (Win32Exception e)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"/bin/sh cannot be started: {FileFault.Describe(e)}", e);
        }
    }

    /// <summary>Waits until the domain runs; its number.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TransportFailed"/>: xl has ended, with what it said.</exception>
    private static async Task<uint> MadeAsync(Process process, string command, string log, CancellationToken cancellationToken)
    {
        while (true)
        {
            var isOver = process.HasExited;
            var said = File.Exists(log) ? await File.ReadAllTextAsync(log, cancellationToken).ConfigureAwait(false) : "";
            if (said.Split('\n').Select(XlMonitor.DomainOf).FirstOrDefault(static id => id is not null) is { } id)
            {
                return id;
            }

            if (isOver)
            {
                throw XlCommand.Failed(command, process.ExitCode, said);
            }

            await Task.Delay(s_look, cancellationToken).ConfigureAwait(false);
        }
    }

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
}
