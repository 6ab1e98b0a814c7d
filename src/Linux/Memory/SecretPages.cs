using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Memory;

/// <summary>
/// Memory pages of their own for a secret: not moved or copied by the garbage collector, not swapped (where the process may lock
/// memory), not part of a core dump, overwritten when they are given back.
/// </summary>
public sealed unsafe class SecretPages : SafeHandle
{
    private readonly int _length;

    /// <summary>So many zeros.</summary>
    /// <exception cref="InsufficientMemoryException">The kernel gives no memory.</exception>
    public SecretPages(int length) : base(-1, ownsHandle: true)
    {
        _length = length;
        using var noFile = new SafeFd();
        var pages = SystemCalls.Mmap(null, Size, Abi.PROT_READ_WRITE, Abi.MAP_PRIVATE_ANONYMOUS, noFile, 0);
        SetHandle((nint)pages);
        if (IsInvalid)
        {
            throw new InsufficientMemoryException($"no memory for a secret of {length} bytes: {Errno.Describe(Errno.Last)}");
        }
        // Beyond the limit of locked memory it can still be used, and wiped.
        _ = SystemCalls.MLock(pages, Size);
        _ = SystemCalls.MAdvise(pages, Size, Abi.MADV_DONTDUMP);
    }

    public override bool IsInvalid => handle == -1;

    /// <summary>The bytes, as long as the pages are not disposed of.</summary>
    public byte* Start => (byte*)handle;

    /// <summary>The bytes.</summary>
    /// <exception cref="ObjectDisposedException">They were given back.</exception>
    public Span<byte> Bytes
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return new Span<byte>((void*)handle, _length);
        }
    }

    private nuint Size => (nuint)(Math.Max(1, _length) + Environment.SystemPageSize - 1) / (nuint)Environment.SystemPageSize * (nuint)Environment.SystemPageSize;

    protected override bool ReleaseHandle()
    {
        // The unmapping that follows keeps it from being optimized away as a write that is never read.
        new Span<byte>((void*)handle, _length).Clear();
        return SystemCalls.Munmap((void*)handle, Size) == 0;
    }
}
