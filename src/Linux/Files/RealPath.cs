using System.Runtime.InteropServices;
using System.Text;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Files;

/// <summary>Paths without links in them (realpath(3)).</summary>
public static unsafe class RealPath
{
    private const int MaxPath = 4096;

    /// <summary>Where a path leads; null if it leads nowhere.</summary>
    public static string? Of(string path)
    {
        var found = stackalloc byte[MaxPath];
        fixed (byte* start = (byte[])[.. Encoding.UTF8.GetBytes(path), 0])
        {
            return FileCalls.RealPath(start, found) == null ? null : Marshal.PtrToStringUTF8((nint)found);
        }
    }
}
