using System.Text.Json;
using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Metadata.Layouts;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Store;

/// <summary>One instance's file: a version and the document without the values of secrets.</summary>
internal static class MetadataFile
{
    /// <summary>Bytes that a file may have: the escapes of JSON can make a document longer than what it was read from.</summary>
    public const int MaxBytes = 6 * DocumentText.MaxBytes;

    public static byte[] Write(MetadataSnapshot snapshot) => JsonText.Write(new JsonObject
    {
        ["version"] = snapshot.Version,
        ["metadata"] = snapshot.Metadata.ToDocument(ParameterClass.Private),
    });

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the file does not hold what it should.</exception>
    public static MetadataSnapshot Read(string instance, string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        ThrowIfLarger(file.Length, path);
        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return Parse(instance, bytes, path);
    }

    /// <summary>What a file of these bytes holds.</summary>
    /// <param name="instance">The instance's name.</param>
    /// <param name="bytes">The whole file.</param>
    /// <param name="place">Where it is, for errors.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it does not hold what it should.</exception>
    public static MetadataSnapshot Parse(string instance, ReadOnlySpan<byte> bytes, string place)
    {
        ThrowIfLarger(bytes.Length, place);
        var map = new DocumentMap(JsonText.Parse(bytes, JsonText.MaxDepth + 1) as JsonObject ?? throw DocumentError.At(place, "it must hold a mapping"), "", ["version", "metadata"]);
        var metadata = map.Object("metadata") ?? throw DocumentError.At(place, "the key 'metadata' is missing");
        return new MetadataSnapshot(instance, map.Number("version", 1, int.MaxValue) ?? 1, RenderCheck.Checked(MetadataReader.Read(metadata)));
    }

    private static void ThrowIfLarger(long length, string place)
    {
        if (length > MaxBytes)
        {
            throw DocumentError.At(place, $"its file has {length} bytes, with the escapes and line ends of JSON; {MaxBytes} are allowed");
        }
    }
}
