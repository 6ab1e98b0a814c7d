using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Files;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Operations;

/// <summary>
/// Installs of a host: each operation runs the scripts of an OS definition, on the host and in an appliance, under one
/// deadline. What a crash has left is found and removed when an installer is opened.
/// </summary>
public sealed class Installer
{
    internal const string OperationsFolder = "operations";

    private readonly InstallerOptions _options;
    private readonly string _operations;

    /// <summary>Opens the folder of operations, and ends what processes that are no more have left in it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: an option out of range, or a folder that cannot be used.</exception>
    public Installer(InstallerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        var folder = Path.GetFullPath(options.Folder);
        _operations = Path.Combine(folder, OperationsFolder);
        PrivateFolder.Ensure(folder);
        PrivateFolder.Ensure(_operations);
        Interrupted = OperationRecovery.Run(_operations, options.Launcher, options.Time);
    }

    /// <summary>Operations that were found without their process when this was opened; they are ended now.</summary>
    public IReadOnlyList<OperationJournal> Interrupted { get; }

    /// <summary>The operations that are known, the newest first.</summary>
    public IReadOnlyList<OperationJournal> List() => [.. Journals(_operations).Select(j => j.Journal).OrderByDescending(j => j.Started)];

    /// <summary>Begins an operation. The secrets of the request are wiped when it ends, and also if it cannot begin.</summary>
    /// <exception cref="ChannelException">
    /// What is missing or wrong: the record, the definition, parameters, a secret, a disk; <see cref="ChannelError.PermissionDenied"/> where the
    /// administrator forbids it; <see cref="ChannelError.FailedPrecondition"/> while another operation on the instance is under way or its machine runs, and for a
    /// create of an instance that is in mode run, unless it is a reinstall.
    /// </exception>
    public InstallOperation Start(InstallRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        InstanceLock? instanceLock = null;
        try
        {
            // An instance without a record gets no lock.
            _options.Records.Get(request.Instance);
            RequestCheck.Names(request);
            instanceLock = request.NewName is { } newName ? InstanceLock.Take(_options.Folder, request.Instance, newName) : InstanceLock.Take(_options.Folder, request.Instance);
            new MachineFile(_options.Folder, request.Instance).RequireStopped("its disks are in use");
            // As it is now that no other command can rename or remove it.
            var plan = OperationPlan.Make(request, _options.Records.Get(request.Instance), _options);
            RequireFree(request.NewName);
            RememberSecrets(plan);
            return Prepare(plan, instanceLock).Start();
        }
        catch
        {
            instanceLock?.Dispose();
            request.Secrets?.Dispose();
            request.PackageCredentials?.Dispose();
            request.DataCredentials?.Dispose();
            throw;
        }
    }

    /// <summary>Events of an operation from its file, also of another process's or a past operation. Ends with its end.</summary>
    /// <param name="operation">Its name, or the beginning of it that no other has.</param>
    /// <param name="after">Cursor of the last event that the watcher has; 0: all.</param>
    /// <param name="cancellationToken">Ends the watching.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>.</exception>
    public IAsyncEnumerable<InstallEvent> WatchAsync(string operation, long after = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(operation);
        return new InstallEventFile(FolderOf(operation), _options.Time).ReadAsync(after, cancellationToken);
    }

    /// <summary>Path of an operation's log.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>.</exception>
    public string LogOf(string operation)
    {
        ArgumentNullException.ThrowIfNull(operation);
        return FolderOf(operation).Log;
    }

    internal static IEnumerable<(OperationFolder Folder, OperationJournal Journal)> Journals(string operations)
    {
        foreach (var path in Directory.Exists(operations) ? Directory.EnumerateDirectories(operations) : [])
        {
            var folder = new OperationFolder(path);
            OperationJournal journal;
            try
            {
                journal = OperationJournal.Read(folder.Journal);
            }
            catch (ChannelException)
            {
                // Its process died before the journal was there, and so before there was anything else; or it belongs to another user.
                continue;
            }

            yield return (folder, journal);
        }
    }

    private OperationFolder FolderOf(string operation)
    {
        var found = Directory.EnumerateDirectories(_operations).Where(path => Path.GetFileName(path).StartsWith(OperationFolder.NameOf(operation), StringComparison.Ordinal)).Take(2).ToArray();
        return operation.Length > 0 && found.Length == 1 ? new OperationFolder(found[0])
            : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, $"{(found.Length > 1 ? "more than one operation begins with" : "there is no operation")} '{SafeText.Escape(operation, 40)}'");
    }

    // At the end of a rename the record gets the new name.
    private void RequireFree(string? newName)
    {
        if (newName is not null && _options.Records.Find(newName) is not null)
        {
            throw InstanceRecordStore.Taken(newName);
        }
    }

    // A folder without a journal would be known to nobody, and stay.
    private OperationRunner Prepare(OperationPlan plan, InstanceLock kept)
    {
        var folder = new OperationFolder(Path.Combine(_operations, OperationFolder.NameOf(plan.Id)));
        try
        {
            RemoveOld();
            return new OperationRunner(plan, _options, folder, kept);
        }
        catch (Exception e) when (e is ChannelException or IOException or UnauthorizedAccessException)
        {
            folder.RemoveAll();
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, $"the operation cannot begin in {_operations}: {FileFault.Describe(e)}", e);
        }
    }

    // A record knows which parameters are secret, so that a reinstall without them is refused.
    private void RememberSecrets(OperationPlan plan)
    {
        foreach (var name in plan.Request.Secrets?.Names ?? [])
        {
            if (!plan.Record.Parameters.TryGetValue(name, out var known) || known.Class != ParameterClass.Secret)
            {
                _options.Records.Change(plan.Record.Name, record => record.With(name, OsParameter.Secret(null)));
            }
        }
    }

    private void RemoveOld()
    {
        foreach (var (folder, _) in Journals(_operations).Where(j => j.Journal.Outcome is not null).OrderByDescending(j => j.Journal.Started).Skip(_options.KeepOperations - 1))
        {
            Directory.Delete(folder.Path, recursive: true);
        }
    }
}
