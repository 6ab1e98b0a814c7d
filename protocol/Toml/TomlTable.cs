using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Toml;

/// <summary>One table that a file may have.</summary>
/// <typeparam name="T">The settings that are made of the file.</typeparam>
/// <param name="Name">Its name; empty for what stands before the first head.</param>
/// <param name="Keys">The keys that may stand in it.</param>
public sealed record TomlTable<T>(string Name, IReadOnlyList<TomlKey<T>> Keys)
    where T : class
{
    private const int MaxQuotedText = 80;

    /// <summary>Makes room for one more of a table that may stand in a file many times (<c>[[name]]</c>); null for one that may not.</summary>
    public Func<T, T>? Begin { get; init; }

    /// <summary>What the table lacks once it is read, or null.</summary>
    public Func<T, string?> Lacks { get; init; } = static _ => null;

    /// <summary>Whether it may stand in a file many times.</summary>
    public bool IsRepeated => Begin is not null;

    /// <summary>Its head, as it is written; empty for what stands before the first one.</summary>
    public string Head => Name.Length == 0 ? "" : IsRepeated ? $"[[{Name}]]" : $"[{Name}]";

    /// <summary>A key of it, as messages name it.</summary>
    /// <param name="key">The key.</param>
    public string Show(string key) => Name.Length == 0 ? key : $"{Head} {key}";

    /// <summary>The key of that name, or null.</summary>
    /// <param name="name">The name.</param>
    public TomlKey<T>? Find(string name)
    {
        foreach (var key in Keys)
        {
            if (key.Name == name)
            {
                return key;
            }
        }

        return null;
    }
    /// <summary>Gives settings a value, which may come from elsewhere than a file.</summary>
    /// <param name="key">A key of the table.</param>
    /// <param name="value">As <see cref="TomlEntry.Value"/>.</param>
    /// <param name="settings">The settings without it; those with it afterwards.</param>
    /// <returns>What is wrong with the value and what is allowed, or null.</returns>
    public string? TryApply(TomlKey<T> key, object value, ref T settings)
    {
        try
        {
            if (key.Apply(settings, value) is { } changed)
            {
                settings = changed;
                return null;
            }
        }
        catch (ChannelException e)
        {
            return $"{Show(key.Name)}: {e.Message}";
        }

        return $"{Show(key.Name)}: {Written(value)} is not allowed; allowed is {key.Allowed}";
    }

    private static string Written(object value) => value switch
    {
        string text => $"\"{SafeText.Escape(text, MaxQuotedText)}\"",
        string[] => "this list",
        bool isOn => isOn ? "true" : "false",
        _ => $"{value}",
    };
}
