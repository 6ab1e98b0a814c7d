using System.Text;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Errors;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>An absolute path as the kernel takes it: raw bytes, checked, with a terminating zero.</summary>
internal sealed class RawPath
{
    // PATH_MAX and NAME_MAX of limits.h, without the terminating zero.
    private const int MaxBytes = 4095;
    private const int MaxName = 255;
    private const int MaxShown = 300;

    private readonly byte[] _bytes;
    private readonly int _nameAt;

    private RawPath(byte[] bytes)
    {
        _bytes = bytes;
        _nameAt = bytes.AsSpan().LastIndexOf((byte)'/') + 1;
        Text = Encoding.UTF8.GetString(bytes, 0, bytes.Length - 1);
        Shown = LogText.Escape(Text, MaxShown);
    }

    /// <summary>For the policy. Bytes that are not UTF-8 are U+FFFD in it, which no rule can name.</summary>
    public string Text { get; }

    /// <summary>For logs and messages.</summary>
    public string Shown { get; }

    /// <summary>With a terminating zero.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The last part, with a terminating zero. Empty for the root folder.</summary>
    public ReadOnlySpan<byte> Name => _bytes.AsSpan(_nameAt);

    /// <summary>The folder that the file is in, with a terminating zero.</summary>
    public byte[] Parent => _nameAt == 1 ? [(byte)'/', 0] : [.. _bytes.AsSpan(0, _nameAt - 1), 0];

    /// <summary>Checks a path that the host sent.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: not an absolute path without empty, "." and ".." parts.</exception>
    public static RawPath Parse(ByteString untrustedPath)
    {
        var untrusted = untrustedPath.Span;
        if (untrusted.Length is 0 or > MaxBytes)
        {
            throw Invalid("", $"a path has 1 to {MaxBytes} bytes, this one {untrusted.Length}");
        }

        if (untrusted[0] != '/' || untrusted.Contains((byte)0))
        {
            throw Invalid(Show(untrusted), "a path begins with / and has no zero byte");
        }

        var rest = untrusted[1..];
        foreach (var part in rest.Split((byte)'/'))
        {
            var name = rest[part];
            if (untrusted.Length > 1 && (name.IsEmpty || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || name.Length > MaxName))
            {
                throw Invalid(Show(untrusted), $"no part of a path may be empty, '.', '..' or longer than {MaxName} bytes");
            }
        }

        return new RawPath([.. untrusted, 0]);
    }

    private static string Show(ReadOnlySpan<byte> path) => LogText.Escape(Encoding.UTF8.GetString(path), MaxShown);

    private static ChannelException Invalid(string path, string what) =>
        new(ChannelError.InvalidArgument, ErrorClass.Refused, $"'{path}' is no path of a file: {what}");
}
