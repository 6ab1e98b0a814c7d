using System.Text.RegularExpressions;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Records;

/// <summary>How an instance's image is checked and read. All paths are absolute.</summary>
public sealed partial record ImageRules
{
    private const int MaxPath = 4096;

    /// <summary>The SHA-256 of the image as it is stored, 64 hexadecimal digits; null: not asked for.</summary>
    public string? Sha256 { get; init; }

    /// <summary>A file with SHA-256 sums, of which one is for the image's file name; null: there is none.</summary>
    public string? Sums { get; init; }

    /// <summary>A file with a detached OpenPGP signature of <see cref="Sums"/>, or of the image where there are none; null: not asked for.</summary>
    public string? Signature { get; init; }

    /// <summary>A file with the keys whose signatures count, as gpgv reads it; null without a <see cref="Signature"/>.</summary>
    public string? Keyring { get; init; }

    /// <summary>What it is.</summary>
    public ImageFormat Format { get; init; }

    /// <summary>Whether an image from an http URL may be used without a sum or signature.</summary>
    public bool IsUnverified { get; init; }

    /// <summary>Whether its bytes are compared with something.</summary>
    internal bool IsChecked => Sha256 is not null || Sums is not null || Signature is not null;

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong.</exception>
    internal void Check()
    {
        if (Sha256 is not null && !IsSum(Sha256))
        {
            throw Wrong("the SHA-256 of an image has 64 hexadecimal digits");
        }

        if (Signature is null != Keyring is null)
        {
            throw Wrong("the signature of an image and the keyring that it is checked with go together");
        }

        foreach (var path in (string?[])[Sums, Signature, Keyring])
        {
            if (path is not null && (!Path.IsPathRooted(path) || path.Length > MaxPath || path.Any(char.IsControl)))
            {
                throw Wrong($"the sums, the signature and the keyring of an image are files with absolute paths of at most {MaxPath} characters without control characters");
            }
        }

        if (!Enum.IsDefined(Format))
        {
            throw Wrong("the format of an image is none that is known");
        }
    }

    /// <summary>Whether a text is a SHA-256.</summary>
    internal static bool IsSum(string text) => Digits().IsMatch(text);

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);

    [GeneratedRegex("^[0-9A-Fa-f]{64}\\z")]
    private static partial Regex Digits();
}
