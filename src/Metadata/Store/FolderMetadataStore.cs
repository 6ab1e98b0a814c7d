using ChannelSdk.Linux.Files;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Metadata.Store;

/// <summary>
/// A folder with one file for each instance, mode 0600. A write is atomic and on disk when it returns, so a kill at any
/// moment leaves the old or the new metadata. Several processes may use one folder: each sees the others' changes, but
/// for the values of secrets, which stay in the process that was given them.
/// </summary>
public sealed class FolderMetadataStore : IMetadataStore
{
    private static readonly TimeSpan s_leftOverAge = TimeSpan.FromMinutes(10);

    private readonly string _folder;
    private readonly Action<string, string>? _refused;
    private readonly MetadataTable _table = new();
    private readonly Dictionary<string, string> _failures = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly FileSystemWatcher _watcher;

    /// <summary>Opens a folder, which is made (mode 0700) if it is not there.</summary>
    /// <param name="folder">Path of the folder.</param>
    /// <param name="refused">Is told the instance and the reason when its file is not taken (see <see cref="Failures"/>); null: no report.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be made or read.</exception>
    public FolderMetadataStore(string folder, Action<string, string>? refused = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        _refused = refused;
        _folder = Path.GetFullPath(folder);
        try
        {
            Directory.CreateDirectory(_folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            RemoveLeftOvers();
            _watcher = new FileSystemWatcher(_folder) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.LastWrite };
            foreach (var pattern in InstanceFileName.Patterns)
            {
                _watcher.Filters.Add(pattern);
            }

            _watcher.Created += (_, e) => Reload(e.FullPath);
            _watcher.Changed += (_, e) => Reload(e.FullPath);
            _watcher.Deleted += (_, e) => Reload(e.FullPath);
            _watcher.Renamed += (_, e) => Reload(e.FullPath);
            _watcher.Error += (_, _) => ReloadAll();
            _watcher.EnableRaisingEvents = true;
            ReloadAll();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _watcher?.Dispose();
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the metadata store {_folder} cannot be used: {FileFault.Describe(e)}", e);
        }
    }

    /// <summary>Files that hold no valid metadata, by instance, and why. The instance keeps the last valid metadata that this process knows.</summary>
    public IReadOnlyDictionary<string, string> Failures
    {
        get
        {
            lock (_gate)
            {
                return new Dictionary<string, string>(_failures, StringComparer.Ordinal);
            }
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> List() => _table.Names;

    /// <inheritdoc/>
    public MetadataSnapshot? Find(string instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        return _table.Find(instance);
    }

    /// <inheritdoc/>
    public MetadataSnapshot Put(string instance, InstanceMetadata metadata)
    {
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(metadata);
        return Change(instance, _ => metadata.PutNow())!;
    }

    /// <inheritdoc/>
    public MetadataSnapshot Merge(string instance, ReadOnlySpan<byte> patchUtf8)
    {
        ArgumentNullException.ThrowIfNull(instance);
        var patch = patchUtf8.ToArray();
        return Change(instance, current => current?.Merge(patch)
            ?? throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, $"instance {instance} has no metadata to merge into; set it first"))!;
    }

    /// <inheritdoc/>
    public bool WipeSecrets(string instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        var had = false;
        Change(instance, current => (had = current?.HasSecrets == true) ? current!.WithoutSecrets() : null);
        return had;
    }

    /// <inheritdoc/>
    public bool Remove(string instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        InstanceName.Check(instance);
        return Locked(instance, () =>
        {
            Refresh(instance);
            var had = File.Exists(PathOf(instance));
            if (had)
            {
                AtomicFile.Delete(PathOf(instance));
                _table.Put(instance, null);
            }

            _failures.Remove(instance);
            return had;
        });
    }

    /// <inheritdoc/>
    public Task WaitChangeAsync(string instance, MetadataSnapshot? known, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(instance);
        return _table.WaitChangeAsync(instance, known, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _watcher.Dispose();

    // Null from the change: nothing is to be written.
    private MetadataSnapshot? Change(string instance, Func<InstanceMetadata?, InstanceMetadata?> change)
    {
        InstanceName.Check(instance);
        return Locked(instance, () =>
        {
            Refresh(instance);
            var current = _table.Find(instance);
            if (change(current?.Metadata) is not { } metadata)
            {
                return current;
            }

            var next = new MetadataSnapshot(instance, (current?.Version ?? 0) + 1, metadata);
            var bytes = MetadataFile.Write(next);
            // What could not be read again would be lost with this process.
            MetadataFile.Parse(instance, bytes, instance);
            AtomicFile.Write(PathOf(instance), bytes);
            _failures.Remove(instance);
            _table.Put(instance, next);
            return next;
        });
    }

    private T Locked<T>(string instance, Func<T> action)
    {
        try
        {
            lock (_gate)
            {
                using var others = FolderLock.Acquire(_folder);
                return action();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, $"the metadata of {instance} cannot be written to {_folder}: {FileFault.Describe(e)}", e);
        }
    }

    private void Reload(string path)
    {
        if (InstanceFileName.ToInstance(Path.GetFileName(path)) is { } instance)
        {
            lock (_gate)
            {
                Refresh(instance);
            }
        }
    }

    private void ReloadAll()
    {
        var files = InstanceFileName.Patterns.SelectMany(pattern => Directory.EnumerateFiles(_folder, pattern));
        foreach (var file in files.Union(_table.Names.Select(PathOf)).ToArray())
        {
            Reload(file);
        }
    }

    /// <summary>Takes over what another process, or a person, has put into an instance's file.</summary>
    private void Refresh(string instance)
    {
        var current = _table.Find(instance);
        try
        {
            InstanceName.Check(instance);
            var found = MetadataFile.Read(instance, PathOf(instance));
            _failures.Remove(instance);
            if (current is null)
            {
                _table.Put(instance, found);
            }
            else if (!MetadataFile.Write(found with { Version = current.Version }).AsSpan().SequenceEqual(MetadataFile.Write(current)) || found.Version > current.Version)
            {
                _table.Put(instance, new MetadataSnapshot(instance, Math.Max(found.Version, current.Version + 1), found.Metadata.WithSecretsOf(current.Metadata)));
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            if (current is not null)
            {
                _table.Put(instance, null);
            }
        }
        catch (Exception e) when (e is ChannelException or IOException or UnauthorizedAccessException)
        {
            if (_failures.GetValueOrDefault(instance) != e.Message)
            {
                _failures[instance] = e.Message;
                _refused?.Invoke(instance, e.Message);
            }
        }
    }

    private string PathOf(string instance) => Path.Combine(_folder, InstanceFileName.Of(instance));

    // What a killed process had not renamed yet. A young one may be another process at work.
    private void RemoveLeftOvers()
    {
        foreach (var file in Directory.EnumerateFiles(_folder, ".*" + AtomicFile.TemporarySuffix))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(file) > s_leftOverAge)
            {
                File.Delete(file);
            }
        }
    }
}
