using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>Names in an archive: checked, and brought to one form.</summary>
internal static class ArchivePath
{
    // PATH_MAX and NAME_MAX of limits.h, without the terminating zero.
    private const int MaxBytes = 4095;
    private const int MaxPart = 255;

    /// <summary>A name below the target, without "." parts and doubled slashes.</summary>
    /// <exception cref="ChannelException">It leads elsewhere.</exception>
    public static byte[] Normalize(ReadOnlySpan<byte> untrusted, ReadOnlySpan<byte> entry, string what)
    {
        if (untrusted.Length is 0 or > MaxBytes || untrusted.Contains((byte)0))
        {
            throw ArchiveFailure.Entry(entry, $"{what} has 1 to {MaxBytes} bytes");
        }

        if (untrusted[0] == '/')
        {
            throw ArchiveFailure.Entry(entry, $"{what} is absolute; names in a package begin at the root without a slash");
        }

        var result = new byte[untrusted.Length];
        var length = 0;
        foreach (var range in untrusted.Split((byte)'/'))
        {
            var part = untrusted[range];
            if (part.SequenceEqual(".."u8) || part.Length > MaxPart)
            {
                throw ArchiveFailure.Entry(entry, $"{what} has a part that is '..' or longer than {MaxPart} bytes");
            }

            if (part.IsEmpty || part.SequenceEqual("."u8))
            {
                continue;
            }

            if (length > 0)
            {
                result[length++] = (byte)'/';
            }

            part.CopyTo(result.AsSpan(length));
            length += part.Length;
        }

        return result[..length];
    }

    /// <summary>The name of the folder that a name is in; empty for the target itself.</summary>
    public static ReadOnlySpan<byte> Parent(ReadOnlySpan<byte> name) => name.LastIndexOf((byte)'/') is >= 0 and var slash ? name[..slash] : default;

    /// <summary>The last part of a name.</summary>
    public static ReadOnlySpan<byte> Last(ReadOnlySpan<byte> name) => name[(name.LastIndexOf((byte)'/') + 1)..];

    /// <summary>
    /// Checks what a symbolic link says. An absolute one is the installed system's own and means its root; a relative one
    /// must not climb above it.
    /// </summary>
    public static void CheckLink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> untrustedTarget)
    {
        if (untrustedTarget.Length is 0 or > MaxBytes || untrustedTarget.Contains((byte)0))
        {
            throw ArchiveFailure.Entry(name, $"a symbolic link says 1 to {MaxBytes} bytes");
        }

        var depth = untrustedTarget[0] == '/' ? 0 : name.Count((byte)'/');
        foreach (var range in untrustedTarget.Split((byte)'/'))
        {
            var part = untrustedTarget[range];
            depth += part.SequenceEqual(".."u8) ? -1 : part.IsEmpty || part.SequenceEqual("."u8) ? 0 : 1;
            if (depth < 0)
            {
                throw ArchiveFailure.Entry(name, $"it is a link that leads out of the system: '{ArchiveFailure.Show(untrustedTarget)}'");
            }
        }
    }
}
