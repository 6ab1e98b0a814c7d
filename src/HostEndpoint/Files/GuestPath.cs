using System.Text;
using ChannelSdk.Protocol.Text;
using Google.Protobuf;

namespace ChannelSdk.Host.Files;

/// <summary>An absolute path in a guest: raw bytes, which need not be UTF-8 and may hold line ends.</summary>
public readonly struct GuestPath
{
    private readonly ByteString? _bytes;

    /// <summary>Makes a path from text, as UTF-8.</summary>
    /// <param name="path">Absolute, without empty, "." and ".." parts; the guest refuses others.</param>
    public GuestPath(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        _bytes = ByteString.CopyFromUtf8(path);
    }

    /// <summary>Makes a path from raw bytes.</summary>
    /// <param name="path">As for the text.</param>
    public GuestPath(ReadOnlySpan<byte> path) => _bytes = ByteString.CopyFrom(path);

    internal ByteString Bytes => _bytes ?? ByteString.Empty;

    /// <summary>The path of an entry of this folder.</summary>
    /// <param name="name">As a listing gave it: <see cref="FileEntry.RawName"/>.</param>
    public GuestPath Combine(ReadOnlySpan<byte> name)
    {
        var folder = Bytes.Span.TrimEnd((byte)'/');
        return new GuestPath([.. folder, (byte)'/', .. name]);
    }

    /// <summary>The path of a text.</summary>
    public static implicit operator GuestPath(string path) => new(path);

    /// <summary>As <see cref="GuestPath(string)"/>.</summary>
    public static GuestPath FromString(string path) => new(path);

    /// <summary>For a person: escaped, bytes that are not UTF-8 as U+FFFD.</summary>
    public override string ToString() => Printable(Bytes.Span);

    internal static string Printable(ReadOnlySpan<byte> bytes) => SafeText.Escape(Encoding.UTF8.GetString(bytes));
}
