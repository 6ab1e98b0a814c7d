using ChannelSdk.Host.Options;

namespace ChannelSdk.Host.Qga;

/// <summary>Bounds and times of a <see cref="QgaClient"/>.</summary>
public sealed record QgaClientOptions
{
    /// <summary>Bytes of the longest reply, 4 KiB to 256 MiB.</summary>
    public int MaxReply { get; init; } = 16 << 20;

    /// <summary>
    /// Bytes of the longest reply to guest-exec-status, 4 KiB to 256 MiB. By default all that qemu-ga keeps of a program's two
    /// outputs fits: 16 MiB of each, in base64.
    /// </summary>
    public int MaxExecReply { get; init; } = 48 << 20;

    /// <summary>How long an answer to a synchronization is waited for before it is asked for again, 1 ms to 1 hour.</summary>
    public TimeSpan SyncInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Deadline of a call that gives none, 1 ms to 7 days.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Time);
        OptionCheck.Range(MaxReply, 4096, 256 << 20);
        OptionCheck.Range(MaxExecReply, 4096, 256 << 20);
        OptionCheck.Range(SyncInterval, TimeSpan.FromMilliseconds(1), TimeSpan.FromHours(1));
        OptionCheck.Range(CallTimeout, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(7));
    }
}
