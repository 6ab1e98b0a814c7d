namespace ChannelSdk.Transports.Abstractions;

/// <summary>
/// Names of the files in a folder that has one for each instance: the instance's and <c>.json</c>. The longest names have no room for
/// that (NAME_MAX of limits.h, 255 bytes), and end with a tilde instead, which no instance's name has.
/// </summary>
public static class InstanceFileName
{
    private const int MaxLength = 255;
    private const string Suffix = ".json";
    private const string ShortSuffix = "~";

    /// <summary>Patterns of all of them, for a listing or a watch of the folder.</summary>
    public static IReadOnlyList<string> Patterns { get; } = ["*" + Suffix, "*" + ShortSuffix];

    /// <summary>The file of an instance.</summary>
    public static string Of(string instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        return instance + SuffixOf(instance);
    }

    /// <summary>The instance whose file it is, by what may be no instance's name; null: it is another file, as an editor's copy of one is.</summary>
    public static string? ToInstance(string file)
    {
        ArgumentNullException.ThrowIfNull(file);
        foreach (var suffix in (string[])[Suffix, ShortSuffix])
        {
            if (file.EndsWith(suffix, StringComparison.Ordinal) && !file.StartsWith('.') && SuffixOf(file[..^suffix.Length]) == suffix)
            {
                return file[..^suffix.Length];
            }
        }

        return null;
    }

    private static string SuffixOf(string instance) => instance.Length + Suffix.Length <= MaxLength ? Suffix : ShortSuffix;
}
