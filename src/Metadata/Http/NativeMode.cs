using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace ChannelSdk.Metadata.Http;

/// <summary>The mode of a socket's file, which .NET sets on paths only: too late for a listener.</summary>
internal static partial class NativeMode
{
    public const uint OwnerOnly = 0x180;

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    public static partial int FChmod(SafeSocketHandle socket, uint mode);
}
