using System.Runtime.InteropServices;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>struct virtq_desc (virtio 1.2, section 2.7.5).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Descriptor
{
    internal const int Size = 16;
    internal const ushort HasNext = 1;
    internal const ushort IsWritable = 2;
    internal const ushort IsIndirect = 4;

    public ulong Address;
    public uint Length;
    public ushort Flags;
    public ushort Next;
}

/// <summary>
/// The memory of one descriptor chain: checked pointers and lengths, so that what the guest does to its descriptors
/// afterwards changes nothing. Reused from chain to chain.
/// </summary>
internal sealed unsafe class DescriptorChain
{
    private Segment[] _segments = new Segment[16];
    private int _count;

    /// <summary>The chain's first descriptor, by which it is given back.</summary>
    internal ushort Head { get; private set; }

    /// <summary>The descriptors of the queue itself that it takes; a table in memory of its own takes one.</summary>
    internal uint Descriptors { get; private set; }

    /// <summary>The descriptors that were read for it, those of a table in memory of its own included: the work that it makes.</summary>
    internal int Work { get; set; }

    /// <summary>The bytes of the whole chain.</summary>
    internal long Length { get; private set; }

    /// <summary>Begins a new chain.</summary>
    internal void Reset(ushort head)
    {
        Head = head;
        Length = 0;
        Descriptors = 0;
        Work = 0;
        _count = 0;
    }

    /// <summary>Counts a descriptor of the queue.</summary>
    internal void Count() => Descriptors++;

    /// <summary>Appends what a descriptor points at.</summary>
    /// <exception cref="DeviceFaultException">It is not all in the guest's memory.</exception>
    internal void Append(GuestMemory memory, ulong untrustedAddress, uint untrustedLength)
    {
        while (untrustedLength > 0)
        {
            var start = memory.Guest(untrustedAddress, untrustedLength, out var contiguous);
            if (start == null)
            {
                throw new DeviceFaultException($"a descriptor that leads out of the guest's memory, to {untrustedAddress:x}");
            }

            if (_count == _segments.Length)
            {
                // Bounded: a ring's length, times the regions that one descriptor can reach over.
                Array.Resize(ref _segments, _count * 2);
            }

            _segments[_count++] = new Segment { Start = start, Length = contiguous };
            Length += contiguous;
            untrustedAddress += contiguous;
            untrustedLength -= contiguous;
        }
    }

    /// <summary>Copies out of the chain. The range must be within <see cref="Length"/>.</summary>
    internal void Read(long offset, Span<byte> target)
    {
        for (var i = 0; i < _count && target.Length > 0; i++)
        {
            ReadOnlySpan<byte> part = Part(ref offset, _segments[i], target.Length);
            part.CopyTo(target);
            target = target[part.Length..];
        }
    }

    /// <summary>Copies into the chain. The range must be within <see cref="Length"/>.</summary>
    internal void Write(long offset, ReadOnlySpan<byte> source)
    {
        for (var i = 0; i < _count && source.Length > 0; i++)
        {
            var part = Part(ref offset, _segments[i], source.Length);
            source[..part.Length].CopyTo(part);
            source = source[part.Length..];
        }
    }

    private static Span<byte> Part(ref long offset, Segment segment, int wanted)
    {
        if (offset >= segment.Length)
        {
            offset -= segment.Length;
            return default;
        }

        var length = (int)Math.Min(wanted, segment.Length - offset);
        var part = new Span<byte>(segment.Start + offset, length);
        offset = 0;
        return part;
    }

    private struct Segment
    {
        public byte* Start;
        public uint Length;
    }
}
