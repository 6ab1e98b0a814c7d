using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace ChannelSdk.Metadata.Model;

/// <summary>A read-only dictionary that keeps the order in which it was filled.</summary>
/// <typeparam name="T">Its values.</typeparam>
public sealed class ReadOnlyOrderedDictionary<T> : IReadOnlyDictionary<string, T>
{
    private readonly OrderedDictionary<string, T> _entries = new(StringComparer.Ordinal);

    /// <summary>Makes one.</summary>
    /// <param name="entries">Its entries in their order, each name once.</param>
    public ReadOnlyOrderedDictionary(IEnumerable<KeyValuePair<string, T>> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        foreach (var (key, value) in entries)
        {
            _entries.Add(key, value);
        }
    }

    /// <inheritdoc/>
    public T this[string key] => _entries[key];

    /// <inheritdoc/>
    public IEnumerable<string> Keys => _entries.Keys;

    /// <inheritdoc/>
    public IEnumerable<T> Values => _entries.Values;

    /// <inheritdoc/>
    public int Count => _entries.Count;

    /// <inheritdoc/>
    public bool ContainsKey(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _entries.ContainsKey(key);
    }

    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out T value) => _entries.TryGetValue(key, out value);

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, T>> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>Maps without their own type.</summary>
public static class ReadOnlyOrderedDictionary
{
    /// <summary>Nothing.</summary>
    public static readonly ReadOnlyOrderedDictionary<string> Empty = new([]);
}
