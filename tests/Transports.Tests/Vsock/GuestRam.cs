using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>A guest's memory in its own file, as QEMU's memory-backend-memfd makes it.</summary>
internal sealed unsafe partial class GuestRam : IDisposable
{
    internal const ulong GuestBase = 0x4000_0000;
    internal const ulong UserBase = 0x7000_0000_0000;

    private const uint MfdCloexecAllowSealing = 3;
    private const int F_ADD_SEALS = 1033;

    private readonly byte* _start;

    /// <param name="size">Bytes that the test sees.</param>
    /// <param name="isSealed">Whether the file stays as large as it is.</param>
    /// <param name="length">Bytes of the file, at first a hole behind <paramref name="size"/>; 0 for no more than those.</param>
    internal GuestRam(int size, bool isSealed = true, long length = 0)
    {
        Size = size;
        File = new SafeFd(memfd_create("guest", MfdCloexecAllowSealing));
        Assert.Equal(0, ftruncate(File, Math.Max(size, length)));
        if (isSealed)
        {
            Assert.Equal(0, DescriptorCalls.Fcntl(File, F_ADD_SEALS, Abi.F_SEAL_SHRINK));
        }

        _start = (byte*)SystemCalls.Mmap(null, (nuint)size, Abi.PROT_READ_WRITE, Abi.MAP_SHARED, File, 0);
        Assert.NotEqual(-1, (nint)_start);
    }

    internal SafeFd File { get; }

    internal int Size { get; }

    internal Span<byte> At(int offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)offset + length, Size);
        return new Span<byte>(_start + offset, length);
    }

    internal ref ushort Word(int offset) => ref MemoryMarshal.AsRef<ushort>(At(offset, 2));

    public void Dispose()
    {
        _ = SystemCalls.Munmap(_start, (nuint)Size);
        File.Dispose();
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc")]
    private static partial int ftruncate(SafeFd fd, long length);
}
