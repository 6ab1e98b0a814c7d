using System.Diagnostics;

namespace ChannelSdk.Linux.Files;

/// <summary>One writer of a store's folder at a time, among processes: the kernel's lock on a file, which ends with the process.</summary>
public static class FolderLock
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    public static FileStream Acquire(string folder)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return new FileStream(Path.Combine(folder, ".lock"), new FileStreamOptions
                {
                    Mode = FileMode.OpenOrCreate,
                    Access = FileAccess.ReadWrite,
                    Share = FileShare.None,
                    BufferSize = 0,
                    UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                });
            }
            catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException))
            {
                if (Stopwatch.GetElapsedTime(started) > s_patience)
                {
                    throw new IOException(
                        $"another process has been writing to the store {folder} for {s_patience.TotalSeconds:0} s; try again, or see who holds {folder}/.lock", e);
                }

                Thread.Sleep(5);
            }
        }
    }
}
