using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>The kernel's random numbers (random(4)).</summary>
/// <remarks>
/// Measured with Linux 6.1: copies of a guest go on to get equal random numbers from /dev/urandom and getrandom(2) after bytes were
/// written to /dev/urandom, and after RNDADDENTROPY alone too. Only RNDRESEEDCRNG behind it makes them differ at once.
/// </remarks>
internal static unsafe class KernelPool
{
    /// <summary>Bytes of <see cref="Jitter"/>.</summary>
    public const int JitterBytes = 32;

    // linux/random.h: _IOW('R', 0x03, int[2]) and _IO('R', 0x07)
    private const nuint AddRequest = 0x40085203;
    private const nuint ReseedRequest = 0x5207;
    private const string Device = "/dev/urandom";

    /// <summary>Mixes bytes in. They take effect with the next reseeding.</summary>
    /// <param name="bytes">What is mixed in; no copy of it remains.</param>
    /// <param name="bits">How much of it cannot be guessed.</param>
    /// <returns>0, or an errno.</returns>
    public static int Add(ReadOnlySpan<byte> bytes, int bits)
    {
        // struct rand_pool_info: entropy_count, buf_size, and the bytes.
        const int head = 8;
        Span<byte> request = stackalloc byte[head + bytes.Length];
        BinaryPrimitives.WriteInt32LittleEndian(request, bits);
        BinaryPrimitives.WriteInt32LittleEndian(request[4..], bytes.Length);
        bytes.CopyTo(request[head..]);
        fixed (byte* start = request)
        {
            var error = Call(AddRequest, start);
            CryptographicOperations.ZeroMemory(request);
            return error;
        }
    }

    /// <summary>Has the kernel begin again with what was mixed in.</summary>
    /// <returns>0, or an errno.</returns>
    public static int Reseed() => Call(ReseedRequest, null);

    /// <summary>Has the kernel begin again with a little that differs between copies, for want of more.</summary>
    /// <returns>0, or an errno.</returns>
    public static int Refresh()
    {
        Span<byte> jitter = stackalloc byte[JitterBytes];
        Jitter(jitter);
        var error = Add(jitter, 0);
        return Reseed() is var reseeding and not 0 ? reseeding : error;
    }

    /// <summary>Fills 32 bytes with what differs a little between two runs of the same code: how long its steps take.</summary>
    public static void Jitter(Span<byte> bytes)
    {
        var state = (ulong)Stopwatch.GetTimestamp() ^ ((ulong)DateTime.UtcNow.Ticks << 20);
        for (var i = 0; i < bytes.Length; i++)
        {
            for (var j = 0; j < 16; j++)
            {
                state = (state ^ (ulong)Stopwatch.GetTimestamp()) * 0x9E3779B97F4A7C15;
                state ^= state >> 29;
            }

            bytes[i] = (byte)(state >> 32);
        }
    }

    private static int Call(nuint request, void* argument)
    {
        using var device = new SafeFd(FileCalls.Open(Device, Abi.O_CLOEXEC, 0));
        return !device.IsInvalid && DescriptorCalls.Ioctl(device, request, argument) == 0 ? 0 : Errno.Last;
    }
}
