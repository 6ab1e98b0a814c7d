using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Linux.Files;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.LinkLocal;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Machines;

/// <summary>
/// One start of an instance that installs itself: its machine boots from its own set of media, is told by metadata of its record, and is over when it
/// has told its end (phone_home) or switched itself off. It has one deadline, which nothing that it tells changes.
/// </summary>
public sealed class SelfInstallOperation
{
    /// <summary>For a guest that has told its end to write to its disk what it still has.</summary>
    private static readonly TimeSpan s_offTime = TimeSpan.FromSeconds(60);

    /// <summary>For what a guest has told a moment before it switched itself off.</summary>
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(1);

    private readonly InstallEventLog _log = new(TimeProvider.System);
    private readonly InstanceRecord _record;
    private readonly MachineFile _file;
    private readonly IMachineLauncher _launcher;
    private readonly TimeSpan _deadline;

    private SelfInstallOperation(InstanceRecord record, MachineFile file, IMachineLauncher launcher, TimeSpan deadline) =>
        (_record, _file, _launcher, _deadline) = (record, file, launcher, deadline);

    /// <summary>What happens, until its end.</summary>
    public InstallEventLog Events => _log;

    /// <summary>Ends with how it ended; never fails.</summary>
    public Task<ResultEvent> Completion { get; private set; } = null!;

    /// <summary>Begins one. The secrets are wiped when it ends, and also if it cannot begin.</summary>
    /// <param name="folder">As <see cref="InstallerOptions.Folder"/>.</param>
    /// <param name="records">The instances' records.</param>
    /// <param name="instance">Name of the instance, in mode self_install.</param>
    /// <param name="launcher">Starts its machine.</param>
    /// <param name="deadline">The longest that it may take, 1 s to 7 days.</param>
    /// <param name="secrets">The values of the record's secret parameters; taken over.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.FailedPrecondition"/>: it runs, another command is at work on it, or its mode is another one.
    /// <see cref="ChannelError.BadConfiguration"/>: its record asks for what cannot be, or a secret is missing.
    /// </exception>
    public static SelfInstallOperation Start(string folder, InstanceRecordStore records, string instance, IMachineLauncher launcher, TimeSpan deadline, SecretParameters? secrets = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(records);
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(launcher);
        ArgumentOutOfRangeException.ThrowIfLessThan(deadline, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(deadline, TimeSpan.FromDays(7));
        InstanceLock? kept = null;
        try
        {
            records.Get(instance);
            kept = InstanceLock.Take(folder, instance);
            var record = records.Get(instance);
            if (record.Mode != ExecutionMode.SelfInstall)
            {
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"{instance} is not in mode self_install");
            }

            var file = new MachineFile(folder, instance);
            file.RequireStopped("it cannot run twice");
            var metadata = SelfInstallMetadata.Of(record, secrets);
            var operation = new SelfInstallOperation(record, file, launcher, deadline);
            // Told before anything begins.
            var request = MachinePlan.Of(record, file.Folder, file.Write);
            file.Prepare();
            operation.Completion = Task.Run(() => operation.RunAsync(request, metadata, kept, cancellationToken), CancellationToken.None);
            // They are in the metadata now, which go with it.
            secrets?.Dispose();
            return operation;
        }
        catch
        {
            kept?.Dispose();
            secrets?.Dispose();
            throw;
        }
    }

    private async Task<ResultEvent> RunAsync(MachineRequest request, Metadata.Model.InstanceMetadata metadata, InstanceLock kept, CancellationToken cancellationToken)
    {
        using var instanceLock = kept;
        using var deadline = new CancellationTokenSource(_deadline);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var (outcome, reason) = (InstallOutcome.Succeeded, "");
        foreach (var doubt in request.Disks.Select(DiskHeader.DoubtOf).OfType<string>())
        {
            Note(InstallLogLevel.Warning, doubt);
        }

        try
        {
            reason = await InstallAsync(request, metadata, ending.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            (outcome, reason) = deadline.IsCancellationRequested ? (InstallOutcome.TimedOut, $"the deadline of {_deadline.TotalSeconds:0.#} s passed")
                : cancellationToken.IsCancellationRequested ? (InstallOutcome.Cancelled, "it was cancelled")
                : (InstallOutcome.Failed, e is ChannelException ? e.Message : $"it failed unexpectedly: {FileFault.Describe(e)}");
        }

        try
        {
            _file.Remove();
        }
        catch (ChannelException e)
        {
            Note(InstallLogLevel.Warning, e.Message);
        }

        var result = (ResultEvent)_log.Add(new ResultEvent { Outcome = outcome, Reason = reason });
        _log.Close();
        return result;
    }

    private async Task<string> InstallAsync(MachineRequest request, Metadata.Model.InstanceMetadata metadata, CancellationToken cancellationToken)
    {
        var socket = Path.Combine(_file.Folder, "http.sock");
        using var store = new FolderMetadataStore(Path.Combine(_file.Folder, "metadata"));
        store.Put(_record.Name, metadata);
        await using var server = await MetadataServer.StartAsync(store, cancellationToken: cancellationToken).ConfigureAwait(false);
        var told = server.AttachInstance(_record.Name);
        await using var listeners = new MetadataListeners(told);
        listeners.ServeForward(socket);
        _log.Add(new PhaseEvent { Phase = InstallPhase.Booting, Text = $"{_record.Name} installs itself" });
        await using var machine = await _launcher.AttendAsync(request, socket, cancellationToken).ConfigureAwait(false);
        _log.Add(new PhaseEvent { Phase = InstallPhase.Running });
        using var watched = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var following = FollowAsync(told.Progress, watched.Token);
        var end = await Task.WhenAny(following, machine.Exited).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (end == machine.Exited)
        {
            await ((Task)following).WaitAsync(s_lastWords, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }

        await watched.CancelAsync().ConfigureAwait(false);
        if (!following.IsCompletedSuccessfully)
        {
            return Ended(await machine.DiagnoseAsync().ConfigureAwait(false));
        }

        _log.Add(new PhaseEvent { Phase = InstallPhase.CleaningUp, Text = "the guest has told its end and is asked to switch itself off" });
        await SwitchOffAsync(machine, cancellationToken).ConfigureAwait(false);
        return await following.ConfigureAwait(false);
    }

    /// <summary>Takes what the guest tells, up to its end.</summary>
    private async Task<string> FollowAsync(Metadata.Guest.ProgressLog progress, CancellationToken cancellationToken)
    {
        await foreach (var next in SelfInstall.WatchAsync(progress, 0, cancellationToken).ConfigureAwait(false))
        {
            if (next is ResultEvent end)
            {
                return end.Reason;
            }

            _log.Add(next);
        }

        throw new OperationCanceledException(cancellationToken);
    }

    private async Task SwitchOffAsync(IAttendedMachine machine, CancellationToken cancellationToken)
    {
        try
        {
            await machine.PowerDownAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException)
        {
            // It has gone by itself.
        }

        await machine.Exited.WaitAsync(s_offTime, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!machine.Exited.IsCompleted)
        {
            Note(InstallLogLevel.Warning, $"the guest has told its end and did not switch itself off within {s_offTime.TotalSeconds:0} s; it was ended, and what it had not yet written is lost");
        }
    }

    // An installer switches itself off, or starts what it has installed.
    private string Ended(LaunchDiagnosis known) => ApplianceConsole.Panic(known.Console.Span) is { Length: > 0 } panic
        ? throw new ChannelException(ChannelError.TransportFailed, ErrorClass.MayHaveRun, $"the kernel of {_record.Name} panicked ({Protocol.Text.SafeText.Escape(panic)})")
        : known.Reason.StartsWith("it ", StringComparison.Ordinal) ? known.Reason
        : throw new ChannelException(ChannelError.TransportFailed, ErrorClass.MayHaveRun, $"the machine of {_record.Name} ended before it told its end{(known.Reason.Length > 0 ? ": " : "")}{known.Reason}");

    private void Note(InstallLogLevel level, string text) => _log.Add(new LogEvent { Level = level, Text = text });
}
