namespace ChannelSdk.GuestAgent.Generation;

/// <summary>
/// Where the fields of the generation page are: struct vmclock_abi of Linux (include/uapi/linux/vmclock-abi.h, the specification
/// uapi-group.org/specifications/specs/vmclock), so that programs that know /dev/vmclock0 read it unchanged; the generation follows it.
/// All are little-endian.
/// </summary>
internal static class GenerationLayout
{
    /// <summary>Bytes of the page, as its field size says.</summary>
    public const int PageBytes = 4096;

    /// <summary>Bytes that are in use.</summary>
    public const int UsedBytes = 128;

    /// <summary>Bytes of a generation.</summary>
    public const int GenerationBytes = 16;

    public const uint MagicValue = 0x4b4c4356;
    public const int Magic = 0;
    public const int Size = 4;
    public const int Version = 8;
    public const int CounterId = 10;
    public const int Sequence = 12;
    public const int DisruptionMarker = 16;
    public const int Flags = 24;
    public const int GenerationCounter = 104;
    public const int Generation = 112;

    /// <summary>There is no hardware counter behind it, so it is no clock.</summary>
    public const byte InvalidCounter = 0xff;

    /// <summary><see cref="CounterPresent"/>, and VMCLOCK_FLAG_NOTIFICATION_PRESENT: each change wakes waiters, here by inotify(7).</summary>
    public const ulong FlagValues = CounterPresent | 1 << 9;

    /// <summary>VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT.</summary>
    public const ulong CounterPresent = 1 << 8;
}
