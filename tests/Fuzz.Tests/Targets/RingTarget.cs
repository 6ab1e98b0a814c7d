using System.Runtime.InteropServices;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Vsock.Device;
using Descriptor = ChannelSdk.Transports.Vsock.Device.Descriptor;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>
/// A guest that writes what it likes into a virtqueue and its memory. The device takes chains within its bounds or says what is wrong;
/// a pointer that leads out ends the process, which is a finding.
/// </summary>
internal sealed unsafe partial class RingTarget : IFuzzTarget
{
    private const int Size = 64 << 10;
    private const ulong GuestBase = 0x4000_0000;
    private const ulong UserBase = 0x7000_0000_0000;
    private const int Available = 4096;
    private const int Used = 8192;
    private const int Data = 16384;
    private const uint MfdAllowSealing = 2;
    private const int AddSeals = 1033;

    private readonly DescriptorChain _chain = new();
    private readonly byte[] _buffer = new byte[Size];
    private GuestMemory? _memory;
    private byte* _start;

    public string Name => "ring";

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        // A chain of two, read and given back.
        [3, 0, 0, 0, 0, 0, 1, 100, 0, 1, 1, 0, 1, 1, 50, 0, 0, 0, 1, 0, 2, 3, 10, 0, 20, 0, 5, 6],
        // An indirect table, for the device to write.
        [4, 2, 0, 0, 0, 0, 0, 32, 0, 4, 0, 7, 0, 64, 16, 0, 0, 64, 0, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 4, 0, 0, 9, 0, 5, 6],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        var memory = _memory ??= Map();
        new Span<byte>(_start, Data + 4096).Clear();
        var reader = new InputReader(input);
        var size = 1u << (reader.Byte() % 9);
        var kind = reader.Byte();
        var available = reader.Byte() < 200 ? (ushort)0 : reader.UInt16();
        *(ushort*)(_start + Available + 2) = available;
        try
        {
            var queue = new SplitQueue("test", size, new RingAddresses(UserBase, UserBase + Used, UserBase + Available), available, (kind & 2) != 0, (kind & 1) != 0, memory);
            var isTaken = false;
            for (var steps = 0; !reader.IsEmpty && steps < 500; steps++)
            {
                Step(ref reader, queue, memory, size, ref isTaken, ref available);
            }
        }
        catch (DeviceFaultException)
        {
            // What is wrong is said to be wrong.
        }
    }

    private void Step(ref InputReader input, SplitQueue queue, GuestMemory memory, uint size, ref bool isTaken, ref ushort available)
    {
        switch (input.Byte() % 10)
        {
            case 0:
                Describe(ref input, size);
                break;
            case 1:
                *(ushort*)(_start + Available + 4 + 2 * (available & (size - 1))) = input.Byte();
                *(ushort*)(_start + Available + 2) = ++available;
                break;
            case 2:
                isTaken = queue.TryPop(memory, _chain);
                Check(isTaken);
                break;
            case 3 when isTaken:
                var (offset, length) = Range(ref input);
                _chain.Read(offset, _buffer.AsSpan(0, length));
                break;
            case 4 when isTaken:
                (offset, length) = Range(ref input);
                _chain.Write(offset, _buffer.AsSpan(0, length));
                break;
            case 5 when isTaken:
                queue.Push(_chain, input.UInt16());
                isTaken = false;
                break;
            case 6:
                queue.Publish();
                queue.EnableKicks();
                break;
            case 7:
                var bytes = input.Take(input.Byte());
                bytes.CopyTo(new Span<byte>(_start + input.UInt16() % (Size - 255), 255));
                break;
            case 8 when isTaken:
                queue.Unpop();
                isTaken = false;
                break;
            default:
                queue.DisableKicks();
                available = input.UInt16();
                *(ushort*)(_start + Available + 2) = available;
                break;
        }
    }

    private void Check(bool isTaken)
    {
        if (isTaken)
        {
            BrokenPromiseException.ThrowUnless(_chain.Work <= SplitQueue.MaxChain + 2, $"a chain made work of {_chain.Work} descriptors");
            BrokenPromiseException.ThrowUnless(_chain.Length <= (long)SplitQueue.MaxChain * Size, $"a chain has {_chain.Length} bytes");
        }
    }

    private (long Offset, int Length) Range(ref InputReader input)
    {
        var offset = Math.Min(input.UInt16(), _chain.Length);
        return (offset, (int)Math.Min(input.UInt16(), Math.Min(_chain.Length - offset, _buffer.Length)));
    }

    private void Describe(ref InputReader input, uint size)
    {
        var index = input.Byte() & (size - 1);
        var place = input.Byte();
        ((Descriptor*)_start)[index] = new Descriptor
        {
            Address = place < 240 ? GuestBase + Data + 16u * place : input.UInt64(),
            Length = place < 200 ? input.UInt16() : input.UInt32(),
            Flags = input.Byte(),
            Next = input.Byte(),
        };
    }

    /// <summary>Two regions of one file, side by side for the guest.</summary>
    private GuestMemory Map()
    {
        var file = new SafeFd(memfd_create("fuzz", MfdAllowSealing));
        if (ftruncate(file, Size) != 0 || DescriptorCalls.Fcntl(file, AddSeals, Abi.F_SEAL_SHRINK) != 0)
        {
            throw new InvalidOperationException("no memory file");
        }

        const ulong half = Size / 2;
        var memory = GuestMemory.Map(
            [new MemoryRegionInfo(GuestBase, half, UserBase, 0), new MemoryRegionInfo(GuestBase + half, half, UserBase + half, half)], [file, file], Size, new ForeignCloser());
        _start = (byte*)SystemCalls.Mmap(null, Size, Abi.PROT_READ_WRITE, Abi.MAP_SHARED, file, 0);
        return memory;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc")]
    private static partial int ftruncate(SafeFd fd, long length);
}
