using ChannelSdk.Host.Options;
using ChannelSdk.Services.Files;

namespace ChannelSdk.Host.Files;

/// <summary>How a file is copied. The same for both directions.</summary>
public sealed record FileCopyOptions
{
    /// <summary>Replaces a regular file at the destination; without it that is an error.</summary>
    public bool Overwrite { get; init; }

    /// <summary>
    /// The copy gets the source's permission bits. From a guest without set-user-id, set-group-id and sticky. If false: to
    /// a guest those of the replaced file or 0644, to the host 0600.
    /// </summary>
    public bool KeepMode { get; init; }

    /// <summary>The copy gets the source's owner and group, by number.</summary>
    public bool KeepOwner { get; init; }

    /// <summary>The copy gets the source's modification time.</summary>
    public bool KeepTime { get; init; }

    /// <summary>Takes the content up to the size at the beginning, though the source changes meanwhile. Without it that is an error.</summary>
    public bool AllowChange { get; init; }

    /// <summary>Largest source, 0 to 16 TiB (2^44 bytes), by default 64 GiB; a guest can claim any size.</summary>
    public long MaxBytes { get; init; } = 1L << 36;

    /// <summary>
    /// Bytes that a copy from a guest leaves free in this host's file system, 0 to 16 TiB, by default 256 MiB: a copy is given up
    /// before it takes them. Guests must not fill the disk of their host.
    /// </summary>
    public long ReserveBytes { get; init; } = 256 << 20;

    /// <summary>How long a copy waits for the guest's agent after its session was lost, before it gives up: 0 to 7 days.</summary>
    public TimeSpan ResumeTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal void Validate()
    {
        OptionCheck.Range(MaxBytes, 0, ContentHash.MaxLength);
        OptionCheck.Range(ReserveBytes, 0, ContentHash.MaxLength);
        OptionCheck.Range(ResumeTimeout, TimeSpan.Zero, TimeSpan.FromDays(7));
    }
}

/// <summary>How far a copy is.</summary>
/// <param name="Bytes">Bytes of the file that are done, holes included.</param>
/// <param name="Total">Bytes of the file.</param>
public readonly record struct FileProgress(long Bytes, long Total);

/// <summary>A copy that was made and checked.</summary>
/// <param name="Bytes">Bytes of the file.</param>
/// <param name="DataBytes">Bytes that travelled: holes do not count, bytes sent again after a lost session count twice.</param>
/// <param name="Hash">Of the whole content on both sides, as files.proto defines it.</param>
/// <param name="Resumes">How often it continued after a lost session. (Cut links do not count.)</param>
public sealed record FileCopyResult(long Bytes, long DataBytes, ulong Hash, int Resumes);
