using System.Text;
using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>Gathers leaves and makes the listings from them, so that nothing is listed that does not answer.</summary>
internal sealed class TreeBuilder
{
    private readonly Dictionary<string, Resource> _leaves = new(StringComparer.Ordinal);
    private readonly Dictionary<string, OrderedDictionary<string, string>> _listings = new(StringComparer.Ordinal);

    /// <summary>A leaf that its directory lists.</summary>
    public void Add(string path, Resource resource)
    {
        _leaves[path] = resource;
        AddToListing(path, "");
    }

    /// <summary>A leaf that clients ask for by name only, and what its parents' listings have to do with it: nothing.</summary>
    public void AddUnlisted(string path, Resource resource) => _leaves[path] = resource;

    /// <summary>All texts of nested mappings below a path.</summary>
    public void AddAll(string path, JsonObject entries)
    {
        foreach (var (name, value) in entries)
        {
            if (value is JsonObject inner)
            {
                AddAll($"{path}/{name}", inner);
            }
            else
            {
                Add($"{path}/{name}", Resource.OfText(value!.GetValue<string>()));
            }
        }
    }

    /// <summary>The line by which a directory is listed, where that is not its name and a slash.</summary>
    public void SetLabel(string path, string label)
    {
        var (parent, name) = Split(path);
        Listing(parent)[name] = label;
    }

    public Dictionary<string, Resource> Build()
    {
        var result = new Dictionary<string, Resource>(_leaves, StringComparer.Ordinal);
        foreach (var (path, names) in _listings)
        {
            result[path] = new Resource(Encoding.UTF8.GetBytes(string.Join('\n', names.Values)), Resource.Text);
        }

        return result;
    }

    private void AddToListing(string path, string suffix)
    {
        while (path.Length > 0)
        {
            var (parent, name) = Split(path);
            if (!Listing(parent).TryAdd(name, name + suffix))
            {
                return;
            }

            (path, suffix) = (parent, "/");
        }
    }

    private OrderedDictionary<string, string> Listing(string path)
    {
        if (!_listings.TryGetValue(path, out var names))
        {
            _listings[path] = names = new OrderedDictionary<string, string>(StringComparer.Ordinal);
        }

        return names;
    }

    private static (string Parent, string Name) Split(string path) =>
        path.LastIndexOf('/') is var slash && slash < 0 ? ("", path) : (path[..slash], path[(slash + 1)..]);
}
