using System.Buffers;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Memory;

/// <summary>
/// Memory that several processes map: a file without a name (memfd_create(2)) whose size is sealed, so that no process that has it can make
/// another one fault. It is not part of a core dump, and all zero at first. Pages that were never written take no memory.
/// </summary>
public sealed unsafe class SharedMemory : MemoryManager<byte>
{
    private const uint CloseOnExec = 1;
    private const uint AllowSealing = 2;
    private readonly int _length;
    private nint _start;

    private SharedMemory(SafeFd file, nint start, int length) => (File, _start, _length) = (file, start, length);

    /// <summary>The file, for the other process.</summary>
    public SafeFd File { get; }

    /// <summary>Makes some.</summary>
    /// <param name="name">Its name in /proc, for people.</param>
    /// <param name="length">Its size in bytes.</param>
    /// <exception cref="InsufficientMemoryException">The kernel gives none.</exception>
    public static SharedMemory Create(string name, int length)
    {
        var file = new SafeFd(DescriptorCalls.MemFdCreate(name, CloseOnExec | AllowSealing));
        if (file.IsInvalid || DescriptorCalls.FTruncate(file, length) < 0
            || DescriptorCalls.Fcntl(file, Abi.F_ADD_SEALS, Abi.F_SEAL_SHRINK | Abi.F_SEAL_GROW | Abi.F_SEAL_SEAL) < 0)
        {
            var error = Errno.Last;
            file.Dispose();
            throw Failed(length, error);
        }

        return Map(file, length);
    }

    /// <summary>Maps what another process has made. It is trusted not to change its size.</summary>
    /// <param name="file">The file, which is this object's from now on.</param>
    /// <param name="length">Its size in bytes.</param>
    /// <exception cref="InsufficientMemoryException">It cannot be mapped.</exception>
    public static SharedMemory Map(SafeFd file, int length)
    {
        var start = (nint)SystemCalls.Mmap(null, (nuint)length, Abi.PROT_READ_WRITE, Abi.MAP_SHARED, file, 0);
        if (start == -1)
        {
            var error = Errno.Last;
            file.Dispose();
            throw Failed(length, error);
        }

        _ = SystemCalls.MAdvise((void*)start, (nuint)length, Abi.MADV_DONTDUMP);
        return new SharedMemory(file, start, length);
    }

    /// <summary>Gives the whole pages of a part of shared memory back to the kernel (madvise(2), MADV_REMOVE): they are zero when they are read next.</summary>
    /// <param name="part">The part.</param>
    public static void ReleasePages(Span<byte> part)
    {
        fixed (byte* start = part)
        {
            var page = (nuint)Environment.SystemPageSize;
            var (first, end) = (((nuint)start + page - 1) / page * page, ((nuint)start + (nuint)part.Length) / page * page);
            if (first < end)
            {
                // Memory of another kind keeps them.
                _ = SystemCalls.MAdvise((void*)first, end - first, Abi.MADV_REMOVE);
            }
        }
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_start == 0, this);
        return new Span<byte>((void*)_start, _length);
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)_length, nameof(elementIndex));
        ObjectDisposedException.ThrowIf(_start == 0, this);
        return new MemoryHandle((byte*)_start + elementIndex);
    }

    /// <inheritdoc/>
    public override void Unpin()
    {
        // It does not move.
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _start, 0) is not 0 and var start)
        {
            _ = SystemCalls.Munmap((void*)start, (nuint)_length);
            File.Dispose();
        }
    }

    private static InsufficientMemoryException Failed(int length, int error) => new($"no memory of {length} bytes to share: {Errno.Describe(error)}");
}
