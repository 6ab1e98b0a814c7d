using System.Text.Json;
using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;

namespace ChannelSdk.Metadata;

/// <summary>One instance's file: a version and the document without the values of secrets.</summary>
internal static class MetadataFile
{
    public static byte[] Write(MetadataSnapshot snapshot) => JsonText.Write(new JsonObject
    {
        ["version"] = snapshot.Version,
        ["metadata"] = snapshot.Metadata.ToDocument(ParameterClass.Private),
    });

    /// <exception cref="Protocol.ChannelException">BadConfiguration: the file does not hold what it should.</exception>
    public static MetadataSnapshot Read(string instance, string path)
    {
        // The escapes of JSON can make a document longer than what it was read from.
        const int most = 6 * DocumentText.MaxBytes;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length > most)
        {
            throw DocumentError.At(path, $"it has {file.Length} bytes; {most} are allowed");
        }

        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        var map = new DocumentMap(JsonText.Parse(bytes) as JsonObject ?? throw DocumentError.At(path, "it must hold a mapping"), "", ["version", "metadata"]);
        var metadata = map.Object("metadata") ?? throw DocumentError.At(path, "the key 'metadata' is missing");
        return new MetadataSnapshot(instance, map.Number("version", 1, int.MaxValue) ?? 1, MetadataReader.Read(metadata));
    }
}
