using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Memory;

/// <summary>
/// Random bytes by getrandom(2). The framework's own ask for OpenSSL, which a static program cannot load, or for
/// /dev/urandom, which a root without /dev does not have.
/// </summary>
public static unsafe class KernelRandom
{
    /// <summary>Fills at most 256 bytes, which the kernel gives whole.</summary>
    public static void Fill(Span<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, 256);
        fixed (byte* start = bytes)
        {
            // GRND_INSECURE waits for nothing (Linux 5.6): the values must differ, and early in a boot the caller cannot wait.
            if (SystemCalls.GetRandom(start, (nuint)bytes.Length, Abi.GRND_INSECURE) != bytes.Length && SystemCalls.GetRandom(start, (nuint)bytes.Length, Abi.GRND_NONBLOCK) != bytes.Length)
            {
                // An old kernel that has gathered nothing yet: it waits here.
                FillSecret(bytes);
            }
        }
    }

    /// <summary>Fills at most 256 bytes that cannot be guessed: it waits until the kernel has gathered enough, early in a boot.</summary>
    public static void FillSecret(Span<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, 256);
        fixed (byte* start = bytes)
        {
            while (SystemCalls.GetRandom(start, (nuint)bytes.Length, 0) != bytes.Length)
            {
            }
        }
    }
}
