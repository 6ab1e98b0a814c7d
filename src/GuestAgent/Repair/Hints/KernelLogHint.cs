using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Repair.Hints;

/// <summary>
/// The line that the kernel writes when the VM Generation ID has changed, the only sign of it that programs see before Linux 7.0. Lines from
/// before the first look are passed over.
/// </summary>
internal sealed unsafe class KernelLogHint : IHintSource
{
    // drivers/char/random.c
    private const int MaxRecord = 8192;
    private const int SeekEnd = 2;
    private readonly SafeFileHandle _log;

    /// <summary>Opens the log; without the right to, it never changes.</summary>
    /// <param name="path">/dev/kmsg.</param>
    public KernelLogHint(string path)
    {
        _log = new SafeFileHandle(FileCalls.Open(path, Abi.O_RDONLY | Abi.O_NONBLOCK | Abi.O_CLOEXEC), ownsHandle: true);
        IsThere = !_log.IsInvalid && DescriptorCalls.LSeek(_log, 0, SeekEnd) >= 0;
    }

    public string Name => "vmgenid";

    /// <summary>Whether the log can be read.</summary>
    public bool IsThere { get; }

    public bool HasChanged()
    {
        var record = stackalloc byte[MaxRecord];
        var isSeen = false;
        // A record a call; it fails with EPIPE where some were lost, and goes on behind them.
        for (var i = 0; IsThere && i < 1000; i++)
        {
            var count = DescriptorCalls.Read(_log, record, MaxRecord);
            if (count > 0)
            {
                isSeen |= IsReseeding(new ReadOnlySpan<byte>(record, (int)count));
            }
            else if (count == 0 || Errno.Last is not (Errno.EPIPE or Errno.EINTR))
            {
                break;
            }
        }

        return isSeen;
    }

    public void Dispose() => _log.Dispose();

    /// <summary>Whether a record is that line of the kernel's own, and not of a program that wrote it to the log.</summary>
    internal static bool IsReseeding(ReadOnlySpan<byte> record)
    {
        // Documentation/ABI/testing/dev-kmsg: "level and facility, number, time, flags;text". Facility 0 is the kernel's.
        var comma = record.IndexOf((byte)',');
        var text = record.IndexOf((byte)';');
        return comma == 1 && record[0] < (byte)'8' && text > comma && record[(text + 1)..].StartsWith("random: crng reseeded due to virtual machine fork"u8);
    }
}
