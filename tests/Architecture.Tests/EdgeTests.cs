using System.Text.RegularExpressions;
using Mono.Cecil;
using Mono.Cecil.Rocks;

namespace ChannelSdk.Architecture.Tests;

/// <summary>The hostile edge: what reads bytes as they came stands in docs/SECURITY.md, and nowhere else.</summary>
public partial class EdgeTests
{
    /// <summary>Methods that make values of raw bytes, by type and beginning of their name.</summary>
    private static readonly (string Type, string Method)[] s_readers =
    [
        ("System.Buffers.Binary.BinaryPrimitives", "Read"),
        ("System.Runtime.InteropServices.MemoryMarshal", "Read"),
        ("System.Runtime.InteropServices.MemoryMarshal", "Cast"),
        ("System.Runtime.InteropServices.MemoryMarshal", "AsRef"),
        ("System.Runtime.CompilerServices.Unsafe", "ReadUnaligned"),
        ("System.Text.Unicode.Utf8", "ToUtf16"),
        ("System.Text.Json.Utf8JsonReader", ".ctor"),
        ("System.Text.Json.JsonDocument", "Parse"),
        ("System.Text.Json.Nodes.JsonNode", "Parse"),
        ("System.Text.Json.JsonSerializer", "Deserialize"),
        ("Google.Protobuf.MessageParser", "Parse"),
        ("Google.Protobuf.MessageParser`1", "Parse"),
        ("Google.Protobuf.MessageExtensions", "MergeFrom"),
    ];

    [Fact]
    public void Only_the_files_of_the_hostile_edge_read_raw_bytes()
    {
        var found = Product.Projects.SelectMany(static p => Product.Assemblies[p.Assembly].MainModule.GetAllTypes()
            .Where(static type => !type.FullName.StartsWith("ChannelSdk.Protocol.Services", StringComparison.Ordinal) && Reads(type)).Select(type => FileOf(p.Folder, type)))
            .Distinct().Order(StringComparer.Ordinal).ToArray();
        var said = Edge().Order(StringComparer.Ordinal).ToArray();
        Assert.NotEmpty(said);
        string[] wrong = [.. found.Except(said).Select(static f => $"{f} reads raw bytes and is not in the list"), .. said.Except(found).Select(static f => $"{f} is in the list and reads none")];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    private static bool Reads(TypeDefinition type) => type.Methods.Where(static m => m.HasBody).SelectMany(static m => m.Body.Instructions)
        .Select(static i => i.Operand).OfType<MethodReference>()
        .Any(static call => s_readers.Any(r => call.DeclaringType.GetElementType().FullName == r.Type && call.Name.StartsWith(r.Method, StringComparison.Ordinal)));

    private static string FileOf(string folder, TypeDefinition type)
    {
        while (type.DeclaringType is { } outer)
        {
            type = outer;
        }

        var name = type.Name.Split('`')[0];
        var declaration = new Regex($@"\b(class|struct|record|record struct|interface) {Regex.Escape(name)}\b");
        return Path.GetRelativePath(Product.Root, Product.Sources(folder).Where(file => declaration.IsMatch(File.ReadAllText(file)))
            .OrderBy(file => Path.GetFileNameWithoutExtension(file) == name ? 0 : 1).ThenBy(static file => file, StringComparer.Ordinal).First());
    }

    private static IEnumerable<string> Edge() => File.ReadLines(Path.Combine(Product.Root, "docs/SECURITY.md"))
        .SkipWhile(static l => l != "## Files that read raw bytes").Skip(1).TakeWhile(static l => !l.StartsWith("## ", StringComparison.Ordinal))
        .SelectMany(static l => PathPattern().Matches(l)).Select(static m => m.Groups[1].Value);

    [GeneratedRegex(@"`([\w/.]+\.cs)`")]
    private static partial Regex PathPattern();
}
