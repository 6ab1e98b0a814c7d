using System.Text.Json;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Host.Launch;

/// <summary>
/// The folder of a snapshot. Only this user can read it, as it has the guest's memory. It is a snapshot once it has its stamp, which is written last; what
/// a crash leaves without one is no snapshot.
/// </summary>
/// <param name="path">Path of the folder.</param>
public sealed class SnapshotFolder(string path)
{
    private const int MostStamp = 1 << 20;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Path of the folder.</summary>
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>Whether it is a snapshot.</summary>
    public bool Exists => File.Exists(StampPath);

    private string StampPath => System.IO.Path.Combine(Path, "stamp.json");

    /// <summary>What is known of it.</summary>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.NotFound"/>: it is no snapshot. <see cref="ChannelError.BadConfiguration"/>: its stamp is damaged, or of another version.
    /// </exception>
    public SnapshotStamp Read()
    {
        byte[] bytes;
        try
        {
            using var file = File.OpenRead(StampPath);
            bytes = new byte[Math.Min(file.Length, MostStamp)];
            file.ReadExactly(bytes);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, $"{Path} is no snapshot: it has no stamp", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, $"{StampPath} cannot be read: {FileFault.Describe(e)}", e);
        }

        try
        {
            var stamp = JsonSerializer.Deserialize(bytes, SnapshotJson.Default.SnapshotStamp);
            return stamp is { Format: SnapshotStamp.CurrentFormat } && Enum.IsDefined(stamp.Kind) ? stamp : throw Damaged(
                stamp is null ? "it is empty" : $"its format is {stamp.Format}, of a snapshot that another version of this has made; {SnapshotStamp.CurrentFormat} can be read", null);
        }
        catch (JsonException e)
        {
            throw Damaged("it is no stamp", e);
        }
    }

    /// <summary>Makes the folder, in place of what a crash has left.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: it is a snapshot already, or cannot be made.</exception>
    internal void Prepare()
    {
        if (Exists)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"{Path} is a snapshot already; remove it, or choose another name");
        }

        Remove();
        Try("made", () => Directory.CreateDirectory(Path, OwnerOnly));
    }

    /// <summary>Makes it a snapshot.</summary>
    internal void Write(SnapshotStamp stamp) => Try("written", () => AtomicFile.Write(StampPath, JsonSerializer.SerializeToUtf8Bytes(stamp, SnapshotJson.Default.SnapshotStamp)));

    /// <summary>Removes it; machines that were started from it go on. Its disks stay, as others may go on from them.</summary>
    /// <returns>Whether there was a folder.</returns>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: it cannot be removed.</exception>
    public bool Remove()
    {
        var had = Directory.Exists(Path);
        if (had)
        {
            Try("removed", () =>
            {
                // First, so that half of a folder is no snapshot.
                File.Delete(StampPath);
                Directory.Delete(Path, recursive: true);
            });
        }

        return had;
    }

    private void Try(string what, Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, $"the snapshot {Path} cannot be {what}: {FileFault.Describe(e)}", e);
        }
    }

    private ChannelException Damaged(string why, Exception? inner) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"{StampPath} does not say what the snapshot is: {why}", inner);
}
