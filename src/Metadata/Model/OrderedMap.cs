using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace ChannelSdk.Metadata;

/// <summary>A read-only dictionary that keeps the order in which it was filled.</summary>
internal sealed class OrderedMap<T> : IReadOnlyDictionary<string, T>
{
    private readonly OrderedDictionary<string, T> _entries = new(StringComparer.Ordinal);

    public OrderedMap(IEnumerable<KeyValuePair<string, T>> entries)
    {
        foreach (var (key, value) in entries)
        {
            _entries.Add(key, value);
        }
    }

    public T this[string key] => _entries[key];

    public IEnumerable<string> Keys => _entries.Keys;

    public IEnumerable<T> Values => _entries.Values;

    public int Count => _entries.Count;

    public bool ContainsKey(string key) => _entries.ContainsKey(key);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out T value) => _entries.TryGetValue(key, out value);

    public IEnumerator<KeyValuePair<string, T>> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

internal static class OrderedMap
{
    public static readonly OrderedMap<string> Empty = new([]);
}
