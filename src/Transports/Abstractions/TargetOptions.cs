using System.Globalization;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>The path and the <c>?name=value&amp;name=value</c> of a URI's target. Each name at most once; no escapes.</summary>
internal sealed class TargetOptions
{
    /// <summary>The option of endpoints that take links from privileged ports of a guest only, unless it says <c>any</c>.</summary>
    internal const string SourcePorts = "source-ports";

    private readonly EndpointUri _uri;
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <summary>Takes a target apart.</summary>
    /// <param name="uri">The URI.</param>
    /// <param name="known">The names that are allowed.</param>
    /// <exception cref="ChannelException">An option that is not allowed (<see cref="ChannelError.BadEndpointUri"/>).</exception>
    internal TargetOptions(EndpointUri uri, params ReadOnlySpan<string> known)
    {
        _uri = uri;
        var parts = uri.Target.Split('?', 2);
        Path = parts[0];
        foreach (var option in parts.Length > 1 ? parts[1].Split('&') : [])
        {
            var equals = option.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? option : option[..equals];
            if (equals < 0 || !known.Contains(name) || !_values.TryAdd(name, option[(equals + 1)..]))
            {
                throw _uri.Bad($"'{option}' is not one of its options, each once: {string.Join(", ", known.ToArray())}");
            }
        }
    }

    /// <summary>What stands before the options: the absolute path, or for some schemes a name.</summary>
    internal string Path { get; }

    /// <summary>Whether the source port of a guest's connection does not matter.</summary>
    internal bool TakesAnySourcePort => _values.TryGetValue(SourcePorts, out var text)
        && (text == "any" ? true : throw _uri.Bad($"its {SourcePorts} is not 'any'"));

    /// <summary>A number that must be there unless there is a default.</summary>
    internal uint Number(string name, uint least, uint? byDefault = null)
    {
        if (!_values.TryGetValue(name, out var text))
        {
            return byDefault ?? throw _uri.Bad($"its option {name}=NUMBER is missing");
        }

        return uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number < uint.MaxValue
            ? number
            : throw _uri.Bad($"its {name} is not a number from {least} to {uint.MaxValue - 1}");
    }

    /// <summary>An absolute path, null if the option is not there.</summary>
    internal string? AbsolutePath(string name)
    {
        if (!_values.TryGetValue(name, out var text))
        {
            return null;
        }

        return text.Length > 1 && text[0] == '/' && text[^1] != '/' ? text : throw _uri.Bad($"its {name} is not an absolute path of a file");
    }
}
