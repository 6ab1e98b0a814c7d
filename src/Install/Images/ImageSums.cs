using System.Text;
using System.Text.RegularExpressions;
using ChannelSdk.Host.Files;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Images;

/// <summary>The SHA-256 of an image in a file of sums, as sha256sum writes it.</summary>
internal static partial class ImageSums
{
    private const int MaxBytes = 1 << 20;
    private const int MaxShown = 256;

    /// <summary>Reads the sum, after the file's signature was checked if there is one.</summary>
    /// <param name="plan">The image.</param>
    /// <param name="operation">Name of the operation.</param>
    /// <param name="folder">For the operation's copy; made here.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ChannelException">It cannot be read, is signed by nobody who counts, or has no sum of the image.</exception>
    public static async Task<string> ReadAsync(ImagePlan plan, string operation, string folder, CancellationToken cancellationToken)
    {
        var path = plan.Options.Sums!;
        byte[] content;
        using (var file = LocalFile.OpenRegular(path))
        {
            var length = RandomAccess.GetLength(file);
            content = length <= MaxBytes ? new byte[length] : throw Wrong($"the file {path} has {length} bytes; one of sums has at most {MaxBytes}");
            content = content[..LocalFile.Read(file, content, 0)];
        }

        if (plan.Options.Signature is not null)
        {
            // What is checked is what is read.
            PrivateFolder.Ensure(folder);
            var copy = Path.Combine(folder, "sums");
            await File.WriteAllBytesAsync(copy, content, cancellationToken).ConfigureAwait(false);
            await ImageSignature.RequireAsync(plan.Options, copy, operation, folder, cancellationToken).ConfigureAwait(false);
        }

        return Find(Encoding.UTF8.GetString(content), plan.Source.FileName)
            ?? throw Wrong($"the file {path} has no SHA-256 of {SafeText.Escape(plan.Source.FileName, MaxShown)}, which is the image's file name");
    }

    /// <summary>The sum of a file; null: there is none, or two that differ.</summary>
    internal static string? Find(string sums, string name)
    {
        string[] found = [.. sums.Split('\n').Select(static line => Line().Match(line.TrimEnd('\r')))
            .Where(match => match.Success && (match.Groups["name"].Value is var listed) && (listed == name || listed == "./" + name))
            .Select(static match => match.Groups["sum"].Value.ToLowerInvariant()).Distinct()];
        return found.Length == 1 ? found[0] : null;
    }

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);

    // As sha256sum writes it, and with --tag.
    [GeneratedRegex(@"^(?:(?<sum>[0-9A-Fa-f]{64}) [ *](?<name>.+)|SHA256 \((?<name>.+)\) = (?<sum>[0-9A-Fa-f]{64}))\z")]
    private static partial Regex Line();
}
