using System.Runtime.InteropServices;
using ChannelSdk.Protocol;

namespace ChannelSdk.Transports.Native;

/// <summary>
/// Memory pages of their own for a secret: not moved or copied by the garbage collector, not swapped (where the process may lock
/// memory), not part of a core dump, overwritten when they are given back.
/// </summary>
internal sealed unsafe class SecretPages : SafeHandle
{
    private readonly int _length;

    /// <summary>So many zeros.</summary>
    /// <exception cref="ChannelException">ResourceExhausted: the kernel gives no memory.</exception>
    internal SecretPages(int length) : base(-1, ownsHandle: true)
    {
        _length = length;
        using var noFile = new SafeFd();
        void* pages = Libc.Mmap(null, Size, Linux.PROT_READ_WRITE, Linux.MAP_PRIVATE_ANONYMOUS, noFile, 0);
        SetHandle((nint)pages);
        if (IsInvalid)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"no memory for a secret of {length} bytes: {Errno.Describe(Errno.Last)}");
        }
        // Beyond the limit of locked memory it can still be used, and wiped.
        _ = Libc.MLock(pages, Size);
        _ = Libc.MAdvise(pages, Size, Linux.MADV_DONTDUMP);
    }

    public override bool IsInvalid => handle == -1;

    /// <summary>The bytes, as long as the pages are not disposed of.</summary>
    internal byte* Start => (byte*)handle;

    /// <summary>The bytes.</summary>
    /// <exception cref="ObjectDisposedException">They were given back.</exception>
    internal Span<byte> Bytes
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
        // The unmapping that follows keeps it from being left out as a write that nobody reads.
        new Span<byte>((void*)handle, _length).Clear();
        return Libc.Munmap((void*)handle, Size) == 0;
    }
}
