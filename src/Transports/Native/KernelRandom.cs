using System.Runtime.InteropServices;

namespace ChannelSdk.Transports.Native;

/// <summary>
/// Random bytes by getrandom(2). The framework's own ask for OpenSSL, which a static program cannot load, or for
/// /dev/urandom, which a root without /dev does not have.
/// </summary>
internal static unsafe partial class KernelRandom
{
    // linux/random.h. The first waits for nothing (Linux 5.6): what is asked for here must differ, and early in a boot nobody can wait.
    private const uint Insecure = 4;
    private const uint NonBlocking = 1;

    /// <summary>Fills at most 256 bytes, which the kernel gives whole.</summary>
    public static void Fill(Span<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, 256);
        fixed (byte* start = bytes)
        {
            if (GetRandom(start, (nuint)bytes.Length, Insecure) != bytes.Length && GetRandom(start, (nuint)bytes.Length, NonBlocking) != bytes.Length)
            {
                // An old kernel that has gathered nothing yet: it waits here.
                FillSecret(bytes);
            }
        }
    }

    /// <summary>Fills at most 256 bytes that nobody can guess: it waits until the kernel has gathered enough, early in a boot.</summary>
    public static void FillSecret(Span<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, 256);
        fixed (byte* start = bytes)
        {
            while (GetRandom(start, (nuint)bytes.Length, 0) != bytes.Length)
            {
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "getrandom")]
    private static partial nint GetRandom(byte* buffer, nuint length, uint flags);
}
