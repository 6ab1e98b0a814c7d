using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Processes;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>One operation from its begin to its end: deadline, journal, outcome, and that nothing is left.</summary>
internal sealed class OperationRunner
{
    /// <summary>What the parts of an operation have to notice that it is over.</summary>
    private static readonly TimeSpan s_partTime = TimeSpan.FromSeconds(2);

    private readonly OperationPlan _plan;
    private readonly InstallerOptions _options;
    private readonly OperationFolder _folder;
    private readonly OperationReports _reports;
    private readonly IDisposable _instanceLock;
    private readonly List<KeyValuePair<InstallPhase, TimeSpan>> _times = [];
    private readonly Lock _gate = new();
    private OperationJournal _journal;

    /// <summary>Makes the operation's folder and journal.</summary>
    /// <exception cref="ChannelException">They cannot be made.</exception>
    public OperationRunner(OperationPlan plan, InstallerOptions options, OperationFolder folder, IDisposable instanceLock)
    {
        (_plan, _options, _folder, _instanceLock) = (plan, options, folder, instanceLock);
        var now = options.Time.GetUtcNow();
        _journal = new OperationJournal
        {
            Operation = plan.Id,
            Instance = plan.Record.Name,
            Action = plan.Request.Action,
            Definition = plan.Definition.Name,
            Owner = ProcessIdentity.Own,
            Started = now,
            Deadline = now + options.Deadline,
        };
        folder.Create();
        _journal.Write(folder.Journal);
        _reports = new OperationReports(folder, new Redactor(plan.Parameters), options.OutputBytes, options.Time);
    }

    /// <summary>Begins.</summary>
    public InstallOperation Start()
    {
        // Both are disposed of by the run, which is told of their firing first.
        var cancel = new CancellationTokenSource();
        return new InstallOperation(_plan, _reports.Events, _folder.Log, cancel, Task.Run(() => RunAsync(cancel)));
    }

    private async Task<InstallResult> RunAsync(CancellationTokenSource cancel)
    {
        // Always in this order at the end: no secret is left when the instance is free again.
        using var instanceLock = _instanceLock;
        using var secrets = _plan.Request.Secrets;
        using var credentials = _plan.Request.PackageCredentials;
        using var dataCredentials = _plan.Request.DataCredentials;
        using var cancelled = cancel;
        using var deadline = new CancellationTokenSource(_options.Deadline, _options.Time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancel.Token);
        var timing = TimePhasesAsync();
        _reports.Begin(_plan.Id, _plan.Record.Name);
        _reports.Enter(InstallPhase.Preparing, $"{OsDefinition.ScriptName(_plan.Request.Action)} of {_plan.Record.Name} by {_plan.Definition.Name}");
        var (outcome, reason) = (InstallOutcome.Succeeded, "");
        // Off this thread: a part that hangs in its first step must not be waited for either.
        var run = new OperationRun(_plan, _options, _folder, _reports, AddResource);
        try
        {
            await EndingAsync(Task.Run(() => run.RunAsync(ending.Token)), ending.Token).ConfigureAwait(false);
            RenameRecord();
        }
        catch (Exception e)
        {
            (outcome, reason) = deadline.IsCancellationRequested
                ? (InstallOutcome.TimedOut, $"the deadline of {_options.Deadline.TotalSeconds:0.#} s passed in the phase {_reports.Phase}")
                : cancel.IsCancellationRequested ? (InstallOutcome.Cancelled, $"it was cancelled in the phase {_reports.Phase}")
                : (InstallOutcome.Failed, Describe(e));
        }

        _reports.Enter(InstallPhase.CleaningUp);
        await run.DisposeAsync().ConfigureAwait(false);
        return await EndAsync(outcome, reason, run.Moved, timing).ConfigureAwait(false);
    }

    /// <summary>Waits for the work, and after the deadline or a cancel only for a moment more: a part that hangs keeps nothing alive.</summary>
    private static async Task EndingAsync(Task work, CancellationToken cancellationToken)
    {
        await work.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await work.WaitAsync(s_partTime, CancellationToken.None).ConfigureAwait(false);
    }

    private void RenameRecord()
    {
        if (_plan.Request.NewName is not { } newName)
        {
            return;
        }

        try
        {
            _options.Records.Rename(_plan.Record.Name, newName);
        }
        catch (ChannelException e)
        {
            throw new ChannelException(e.Code, ErrorClass.MayHaveRun, $"the installed system was told its new name, but its record keeps the old one: {e.Message}", e);
        }
    }

    private async Task<InstallResult> EndAsync(InstallOutcome outcome, string reason, IReadOnlyList<MovedData> moved, Task timing)
    {
        OperationProcesses.Kill(_plan.Id);
        try
        {
            _folder.RemoveTransient();
            Journal(_journal with { Outcome = outcome, Reason = reason, Ended = _options.Time.GetUtcNow() });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next recovery finds the journal without an outcome and tries again.
            _reports.Note(InstallLogLevel.Warning, $"what is left of the operation cannot be removed: {FileFault.Describe(e)}");
        }

        _plan.Request.Secrets?.Dispose();
        _plan.Request.PackageCredentials?.Dispose();
        _plan.Request.DataCredentials?.Dispose();
        _reports.End(outcome, reason);
        await timing.ConfigureAwait(false);
        return new InstallResult
        {
            Outcome = outcome,
            Reason = reason,
            TrustedResult = _reports.Results.TryGetValue(InstallParty.Trusted, out var trusted) ? trusted : null,
            UntrustedResult = _reports.Results.TryGetValue(InstallParty.Untrusted, out var untrusted) ? untrusted : null,
            Data = moved,
            Times = _times,
            LogFile = _folder.Log,
        };
    }

    private void AddResource(LaunchResource resource)
    {
        try
        {
            lock (_gate)
            {
                Journal(_journal with { Resources = [.. _journal.Resources, resource] });
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.MayHaveRun, $"the journal {_folder.Journal} cannot be written: {FileFault.Describe(e)}", e);
        }
    }

    private void Journal(OperationJournal next)
    {
        lock (_gate)
        {
            _journal = next;
            next.Write(_folder.Journal);
        }
    }

    private string Describe(Exception e) => e is ChannelException or OperationCanceledException
        ? _reports.Clean(e.Message, 2048)
        // The text of an unexpected exception may hold a secret.
        : $"the operation failed unexpectedly ({e.GetType().Name})";

    private async Task TimePhasesAsync()
    {
        PhaseEvent? last = null;
        await foreach (var next in _reports.Events.ReadAsync().ConfigureAwait(false))
        {
            if (next is PhaseEvent phase)
            {
                if (last is not null)
                {
                    _times.Add(KeyValuePair.Create(last.Phase, phase.At - last.At));
                }

                last = phase;
            }
        }
    }
}
