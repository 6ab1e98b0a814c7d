using System.Globalization;
using System.Text;
using ChannelSdk.Install.Names;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Definitions;

/// <summary>
/// What a definition says of the interface that its scripts know: ganeti_api_version and variants.list, a word a line
/// (ganeti-os-interface(7)). A definition without the first is one of this project's.
/// </summary>
internal sealed class OsInterface
{
    private const string VersionsName = "ganeti_api_version";
    private const string VariantsName = "variants.list";
    private const int MaxBytes = 64 << 10;
    private const int FirstWithVariants = 15;
    private static readonly int[] s_known = [20, 15, 10];

    private OsInterface(int version, bool isGaneti, IReadOnlyList<string> variants) => (Version, IsGaneti, Variants) = (version, isGaneti, variants);

    /// <summary>Of scripts that know all that there is, without variants.</summary>
    public static OsInterface Newest { get; } = new(s_known[0], false, []);

    /// <summary>The version that its scripts are told.</summary>
    public int Version { get; }

    /// <summary>Whether the definition was written for Ganeti.</summary>
    public bool IsGaneti { get; }

    /// <summary>The variants that it has; empty: it has no variants.</summary>
    public IReadOnlyList<string> Variants { get; }

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: a file of it, and what is wrong with that.</exception>
    public static OsInterface Read(SourceFolder source)
    {
        using var versions = source.LinkedFile(VersionsName);
        var version = versions is null ? s_known[0] : NewestKnown(versions);
        using var variants = version < FirstWithVariants ? null : source.LinkedFile(VariantsName);
        return new OsInterface(version, versions is not null, variants is null ? [] : Names(variants));
    }

    /// <summary>The variant that is meant: the named one, or else the first; empty if there are none.</summary>
    /// <param name="definition">Name of the definition.</param>
    /// <param name="variant">What stands behind the plus sign; null: nothing.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: there is no such variant.</exception>
    public string Choose(string definition, string? variant)
    {
        if (variant is null || Variants.Contains(variant))
        {
            return variant ?? (Variants.Count > 0 ? Variants[0] : "");
        }

        throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, Variants.Count == 0
            ? $"the OS definition {definition} has no variants, and the record asks for its variant {variant}; leave '+{variant}' out"
            : $"the OS definition {definition} has no variant {variant}; known are {string.Join(", ", Variants.Take(32).Select(static name => SafeText.Escape(name, 64)))}");
    }

    private static int NewestKnown(SourceFile file)
    {
        List<int> versions = [.. Lines(file).Select(line => int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
            : throw SourceFolder.Wrong(file.Path, $"'{SafeText.Escape(line, 64)}' is no number of an interface's version"))];
        return s_known.FirstOrDefault(versions.Contains) is > 0 and var known ? known
            : throw SourceFolder.Wrong(file.Path, $"its scripts know the versions {string.Join(", ", versions)} of the interface; {string.Join(", ", s_known)} are supported");
    }

    private static List<string> Names(SourceFile file)
    {
        var names = Lines(file);
        return names.Find(static name => !DefinitionName.IsAllowed(name)) is { } wrong
            ? throw SourceFolder.Wrong(file.Path, $"'{SafeText.Escape(wrong, 64)}' is no name of a variant, which has 1 to 64 letters, digits and - _ .") : names;
    }

    private static List<string> Lines(SourceFile file) =>
        [.. Encoding.UTF8.GetString(file.Read(MaxBytes)).Split('\n').Select(static line => line.Trim()).Where(static line => line.Length > 0 && line[0] != '#')];
}
