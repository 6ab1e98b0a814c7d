using System.Runtime.InteropServices;
using System.Text;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>Paths without links in them (realpath(3)).</summary>
internal static unsafe partial class RealPath
{
    private const int MaxPath = 4096;

    /// <summary>Where a path leads; null if it leads nowhere.</summary>
    public static string? Of(string path)
    {
        byte* found = stackalloc byte[MaxPath];
        fixed (byte* start = (byte[])[.. Encoding.UTF8.GetBytes(path), 0])
        {
            return Resolve(start, found) == null ? null : Marshal.PtrToStringUTF8((nint)found);
        }
    }

    [LibraryImport("libc", EntryPoint = "realpath")]
    private static partial byte* Resolve(byte* path, byte* found);
}
