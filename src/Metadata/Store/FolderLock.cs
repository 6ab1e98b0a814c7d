using System.Diagnostics;
using ChannelSdk.Protocol;

namespace ChannelSdk.Metadata;

/// <summary>One writer of a store's folder at a time, among processes: the kernel's lock on a file, which ends with the process.</summary>
internal static class FolderLock
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static FileStream Take(string folder)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return new FileStream(Path.Combine(folder, ".lock"), new FileStreamOptions
                {
                    Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0,
                    UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                });
            }
            catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException))
            {
                if (Stopwatch.GetElapsedTime(started) > Patience)
                {
                    throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry,
                        $"another process has been writing to the store {folder} for {Patience.TotalSeconds:0} s; try again, or see who holds {folder}/.lock", e);
                }

                Thread.Sleep(5);
            }
        }
    }
}
