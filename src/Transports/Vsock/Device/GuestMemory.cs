using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>One entry of SET_MEM_TABLE, as the front-end gave it.</summary>
internal readonly record struct MemoryRegionInfo(ulong GuestAddress, ulong Length, ulong UserAddress, ulong FileOffset);

/// <summary>
/// The guest's memory, mapped. Every address is checked against the table before it becomes a pointer. Its owner
/// serializes use and disposal.
/// </summary>
internal sealed unsafe class GuestMemory : IDisposable
{
    /// <summary>VHOST_USER_MAX_RAM_SLOTS of front-ends without configurable slots (vhost-user protocol, SET_MEM_TABLE).</summary>
    internal const int MaxRegions = 8;

    private const ulong PageMask = 4095;

    private readonly List<Region> _regions = [];
    private readonly ForeignCloser _closer;
    private int _last;

    private GuestMemory(ForeignCloser closer) => _closer = closer;

    /// <summary>Maps a table of regions, each from the descriptor of the same place.</summary>
    /// <exception cref="DeviceFaultException">
    /// A region that is not possible, or whose file may become smaller, or more than <paramref name="maxBytes"/> together.
    /// </exception>
    internal static GuestMemory Map(
        ReadOnlySpan<MemoryRegionInfo> untrustedTable, IReadOnlyList<SafeFd> files, ulong maxBytes, ForeignCloser closer)
    {
        if (untrustedTable.Length is 0 or > MaxRegions || files.Count != untrustedTable.Length)
        {
            throw new DeviceFaultException(
                $"a memory table of {untrustedTable.Length} regions with {files.Count} descriptors; 1 to {MaxRegions} with one each are allowed");
        }

        CheckSize(untrustedTable, maxBytes);
        var memory = new GuestMemory(closer);
        try
        {
            for (var i = 0; i < untrustedTable.Length; i++)
            {
                memory.Add(untrustedTable[i], files[i]);
            }

            return memory;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>The start of a range of guest-physical memory; null if its first byte is in no region.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="length">Bytes wanted, at least 1.</param>
    /// <param name="contiguous">The bytes there that lie in the same region, at most <paramref name="length"/>.</param>
    internal byte* Guest(ulong address, uint length, out uint contiguous)
    {
        for (var tried = 0; tried < _regions.Count; tried++)
        {
            var region = _regions[_last];
            var offset = address - region.Info.GuestAddress;
            if (offset < region.Info.Length)
            {
                contiguous = (uint)Math.Min(length, region.Info.Length - offset);
                return region.Start + offset;
            }

            _last = _last + 1 < _regions.Count ? _last + 1 : 0;
        }

        contiguous = 0;
        return null;
    }

    /// <summary>A range by the front-end's own addresses, in which it gives the rings; null if it is not all in one region.</summary>
    internal byte* User(ulong address, ulong length)
    {
        foreach (var region in _regions)
        {
            var offset = address - region.Info.UserAddress;
            if (offset < region.Info.Length && length <= region.Info.Length - offset)
            {
                return region.Start + offset;
            }
        }

        return null;
    }

    public void Dispose()
    {
        foreach (var region in _regions)
        {
            _closer.Unmap(region.Start, (nuint)region.Info.Length);
        }

        _regions.Clear();
    }

    private static void CheckSize(ReadOnlySpan<MemoryRegionInfo> untrustedTable, ulong maxBytes)
    {
        var left = maxBytes;
        foreach (var untrusted in untrustedTable)
        {
            if (untrusted.Length > left)
            {
                throw new DeviceFaultException($"a memory table of more than {maxBytes} bytes, which VsockDeviceOptions.MaxMemory allows (max-memory-mib= in a URI)");
            }

            left -= untrusted.Length;
        }
    }

    private void Add(MemoryRegionInfo untrusted, SafeFd file)
    {
        if (untrusted.Length == 0
            || ((untrusted.Length | untrusted.FileOffset | untrusted.GuestAddress | untrusted.UserAddress) & PageMask) != 0
            || IsBeyondEnd(untrusted.GuestAddress, untrusted.Length)
            || IsBeyondEnd(untrusted.UserAddress, untrusted.Length)
            || untrusted.FileOffset > long.MaxValue - untrusted.Length)
        {
            throw new DeviceFaultException($"a memory region of {untrusted.Length} bytes at {untrusted.GuestAddress:x} that cannot be");
        }

        foreach (var other in _regions)
        {
            if (Overlap(untrusted.GuestAddress, other.Info.GuestAddress, untrusted.Length, other.Info.Length)
                || Overlap(untrusted.UserAddress, other.Info.UserAddress, untrusted.Length, other.Info.Length))
            {
                throw new DeviceFaultException($"memory regions that overlap at {untrusted.GuestAddress:x}");
            }
        }

        CheckFile(untrusted, file);
        var start = SystemCalls.Mmap(
            null, (nuint)untrusted.Length, Abi.PROT_READ_WRITE, Abi.MAP_SHARED, file, (long)untrusted.FileOffset);
        if ((nint)start == -1)
        {
            throw new DeviceFaultException($"memory that cannot be mapped: {Errno.Describe(Errno.Last)}");
        }

        _regions.Add(new Region(untrusted, (byte*)start));
    }

    /// <summary>A page behind the end of its file kills the process that touches it, so the file must stay as large as it is.</summary>
    private static void CheckFile(MemoryRegionInfo untrusted, SafeFd file)
    {
        var seals = DescriptorCalls.Fcntl(file, Abi.F_GET_SEALS, 0);
        if (seals < 0 || (seals & Abi.F_SEAL_SHRINK) == 0)
        {
            throw new DeviceFaultException(
                "guest memory that its owner could make smaller; give QEMU -object memory-backend-memfd,share=on, which seals it");
        }

        var size = FileCalls.SizeOf(file);
        if (size < 0 || (ulong)size < untrusted.FileOffset + untrusted.Length)
        {
            throw new DeviceFaultException($"a memory region of {untrusted.Length} bytes in a file of {size}");
        }
    }

    private static bool IsBeyondEnd(ulong address, ulong length) => address > ulong.MaxValue - length;

    private static bool Overlap(ulong first, ulong second, ulong firstLength, ulong secondLength) =>
        first < second + secondLength && second < first + firstLength;

    private readonly struct Region(MemoryRegionInfo info, byte* start)
    {
        internal MemoryRegionInfo Info { get; } = info;

        internal byte* Start { get; } = start;
    }
}
