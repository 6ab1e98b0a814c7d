using System.Reflection;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.Install.Images;

/// <summary>The definition that travels with this library: its half in an appliance writes an image to a disk.</summary>
internal static class ImageDefinition
{
    private const string Name = "image";
    private const string Prefix = "ImageScripts/";

    private static readonly DefinitionParameter[] s_parameters =
    [
        new("bootloader", ParameterClass.Public, "auto", IsRequired: false, "of a tar: auto, extlinux, grub, or none"),
        new("grow", ParameterClass.Public, "yes", IsRequired: false, "whether the last partition and its file system fill the disk: yes or no"),
        new("kernel_options", ParameterClass.Public, "", IsRequired: false, "of a tar: what its kernel is told beside its root"),
    ];

    private static readonly Lazy<IReadOnlyList<InstallScript>> s_scripts = new(Read);

    /// <summary>The parameters that it has.</summary>
    public static IReadOnlyList<string> ParameterNames { get; } = [.. s_parameters.Select(static p => p.Name)];

    /// <summary>The definition.</summary>
    /// <param name="parameters">Names of those that an instance may have; null: all.</param>
    public static OsDefinition Load(IReadOnlyList<string>? parameters) => OsDefinition.BuiltIn(
        Name, s_parameters.Where(p => parameters?.Contains(p.Name) != false).ToDictionary(static p => p.Name), s_scripts.Value, InstallAction.Create);

    private static List<InstallScript> Read()
    {
        var assembly = Assembly.GetExecutingAssembly();
        var result = new List<InstallScript>();
        foreach (var name in assembly.GetManifestResourceNames().Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var content = assembly.GetManifestResourceStream(name)!;
            result.Add(new InstallScript { Name = name[Prefix.Length..], IsExecutable = true, Content = ByteString.FromStream(content) });
        }

        return result;
    }
}
