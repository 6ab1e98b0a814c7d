using System.Buffers.Binary;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Hints;

/// <summary>
/// The VMClock device. Firecracker counts restores in it; QEMU 11 tells of a disruption alone, which a live migration is too, and its
/// device answers poll(2) with POLLHUP at once, so it is looked at and not waited for.
/// </summary>
internal sealed unsafe class VmClockHint : IHintSource
{
    private readonly SafeFd _clock;
    private (ulong Marker, ulong Counter)? _last;

    /// <summary>Opens the device; without one, it never changes.</summary>
    /// <param name="path">/dev/vmclock0.</param>
    public VmClockHint(string path)
    {
        _clock = new SafeFd(FileCalls.Open(path, Abi.O_RDONLY | Abi.O_CLOEXEC));
        _last = Look();
    }

    public string Name => "vmclock";

    public bool HasChanged()
    {
        var last = _last;
        // In the middle of a change there is nothing to see; the next look is soon.
        _last = Look() ?? last;
        return last is not null && _last != last;
    }

    public void Dispose() => _clock.Dispose();

    private (ulong Marker, ulong Counter)? Look()
    {
        var bytes = stackalloc byte[GenerationLayout.Generation];
        uint after;
        if (_clock.IsInvalid || DescriptorCalls.PRead(_clock, bytes, GenerationLayout.Generation, 0) != GenerationLayout.Generation
            || DescriptorCalls.PRead(_clock, (byte*)&after, sizeof(uint), GenerationLayout.Sequence) != sizeof(uint))
        {
            return null;
        }

        var fields = new ReadOnlySpan<byte>(bytes, GenerationLayout.Generation);
        var flags = BinaryPrimitives.ReadUInt64LittleEndian(fields[GenerationLayout.Flags..]);
        var before = BinaryPrimitives.ReadUInt32LittleEndian(fields[GenerationLayout.Sequence..]);
        return before != after || before % 2 != 0 ? null : (BinaryPrimitives.ReadUInt64LittleEndian(fields[GenerationLayout.DisruptionMarker..]),
            (flags & GenerationLayout.CounterPresent) == 0 ? 0 : BinaryPrimitives.ReadUInt64LittleEndian(fields[GenerationLayout.GenerationCounter..]));
    }
}
