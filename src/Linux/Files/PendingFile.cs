namespace ChannelSdk.Linux.Files;

/// <summary>A file that is written beside its place and has its name only when it is whole; without a <see cref="Commit"/> nothing is left of it.</summary>
public sealed class PendingFile : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly string _path;
    private readonly string _temporary;
    private bool _isCommitted;

    /// <summary>Makes the file beside its place; only its owner may read it.</summary>
    /// <param name="path">Its place; a file there stays as it is until the commit.</param>
    /// <param name="making">Told the path that it has until then, before it is made there: a killed process leaves it behind. Null: nobody wants to know.</param>
    public PendingFile(string path, Action<string>? making = null)
    {
        _path = path;
        // Without the file's own name, which may be as long as a name can be.
        _temporary = Path.Combine(Path.GetDirectoryName(path)!, $".{Guid.NewGuid():N}{AtomicFile.TemporarySuffix}");
        making?.Invoke(_temporary);
        Stream = new FileStream(_temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerOnly,
            BufferSize = 0,
        });
    }

    /// <summary>What is written to it.</summary>
    public FileStream Stream { get; }

    /// <summary>Flushes it, and renames it into its place.</summary>
    public void Commit()
    {
        Stream.Flush(flushToDisk: true);
        Stream.Dispose();
        File.Move(_temporary, _path, overwrite: true);
        _isCommitted = true;
        AtomicFile.Sync(Path.GetDirectoryName(_path)!);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stream.Dispose();
        if (!_isCommitted)
        {
            File.Delete(_temporary);
        }
    }
}
