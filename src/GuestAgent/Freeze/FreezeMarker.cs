using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// The note that file systems are or may be frozen, for the agent's own successor: the device number of each, one a
/// line. It lies on a tmpfs, so it can be removed while everything else is frozen and does not outlive a boot.
/// </summary>
/// <param name="path">Where it is.</param>
internal sealed class FreezeMarker(string path)
{
    /// <summary>Where the agent of a guest keeps it.</summary>
    public const string DefaultPath = "/run/channel-agent/frozen";

    /// <summary>Where it is.</summary>
    public string Path => path;

    /// <summary>Whether it was left behind.</summary>
    public bool Exists => File.Exists(path);

    /// <summary>Writes it; to be called before the first file system is frozen.</summary>
    /// <exception cref="IOException">It cannot be written; nothing may be frozen then.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public void Write(IEnumerable<FreezeTarget> targets)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(path, string.Concat(targets.Select(static target => target.Main.Device + "\n")));
    }

    /// <summary>The device numbers in it; empty if it is not there.</summary>
    public HashSet<string> Read() => new(SmallFile.Read(path).Split('\n', StringSplitOptions.RemoveEmptyEntries), StringComparer.Ordinal);

    /// <summary>Removes it; false if that failed.</summary>
    public bool Remove()
    {
        try
        {
            File.Delete(path);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
