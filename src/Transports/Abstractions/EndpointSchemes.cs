using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>The schemes that a program knows: reads URIs and makes their endpoints. Immutable; one's own schemes are added to a copy.</summary>
public sealed class EndpointSchemes
{
    /// <summary>The longest URI that is accepted, in characters.</summary>
    public const int MaxLength = 1024;

    private readonly EndpointScheme[] _all;
    private readonly bool _offersGuests;

    /// <summary>Makes a table.</summary>
    /// <param name="schemes">Its schemes, each name once.</param>
    /// <param name="offersGuests">Whether error texts offer what only a guest has.</param>
    /// <exception cref="ArgumentException">A name stands twice, or is not lower case.</exception>
    public EndpointSchemes(IEnumerable<EndpointScheme> schemes, bool offersGuests = false)
    {
        _all = [.. schemes];
        _offersGuests = offersGuests;
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var scheme in _all)
        {
            if (!IsName(scheme.Name) || !names.Add(scheme.Name))
            {
                throw new ArgumentException($"'{EndpointUri.Printable(scheme.Name)}' is no name of a scheme (a-z, 0-9 and hyphens), or stands twice", nameof(schemes));
            }
        }
    }

    /// <summary>The names.</summary>
    public IReadOnlyList<string> Names => Array.ConvertAll(_all, static scheme => scheme.Name);

    private IEnumerable<EndpointScheme> Offered => _all.Where(scheme => _offersGuests || !scheme.IsGuests);

    /// <summary>This table and one scheme more.</summary>
    /// <exception cref="ArgumentException">It has the name already.</exception>
    public EndpointSchemes With(EndpointScheme scheme) => new([.. _all, scheme], _offersGuests);

    /// <summary>Makes the endpoint of a URI. Nothing is dialled, bound or opened before its first OpenAsync.</summary>
    /// <param name="uri">For instance <c>unix:///run/channel.sock</c> or <c>virtio-port://org.channelsdk.agent.0</c>.</param>
    /// <exception cref="ChannelException">The URI cannot be understood (<see cref="ChannelError.BadEndpointUri"/>); the text says what is wrong and what is allowed.</exception>
    public ITransportEndpoint Create(string uri)
    {
        var (scheme, parsed) = Read(uri);
        return scheme.Make(parsed);
    }

    /// <summary>Reads a URI of one of the schemes.</summary>
    /// <param name="text">The URI, at most <see cref="MaxLength"/> characters.</param>
    /// <exception cref="ChannelException">It cannot be understood (<see cref="ChannelError.BadEndpointUri"/>); the text says what is wrong and what is allowed.</exception>
    public EndpointUri Parse(string text) => Read(text).Uri;

    private static bool IsName(string name) => name.Length > 0 && name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    private (EndpointScheme Scheme, EndpointUri Uri) Read(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length is 0 or > MaxLength)
        {
            throw Unknown(text, text.Length == 0 ? "it is empty" : $"it is longer than {MaxLength} characters");
        }

        if (text.AsSpan().ContainsAnyInRange((char)0, (char)0x1F) || text.AsSpan().ContainsAnyInRange((char)0x7F, (char)0x9F))
        {
            throw EndpointUri.Bad(text, "it contains a control character");
        }

        var colon = text.IndexOf("://", StringComparison.Ordinal);
        if (colon <= 0)
        {
            throw Unknown(text, "it does not begin with a scheme and '://'");
        }

        var name = text[..colon];
        var target = text[(colon + 3)..];
        var scheme = Find(name)
            ?? throw Unknown(text, $"'{EndpointUri.Printable(name)}' is no known scheme{(Nearest(name) is { } near ? $"; did you mean '{near}'?" : "")}");
        if (target.Length == 0)
        {
            throw EndpointUri.Bad(text, $"nothing comes after '://'; write for instance {scheme.Example}");
        }

        if (scheme.Form == TargetForm.Own)
        {
            return (scheme, new EndpointUri(scheme.Name, target));
        }

        var place = scheme.Form == TargetForm.PathAndOptions ? target.Split('?', 2)[0] : target;
        if (place.StartsWith('/'))
        {
            CheckPath(text, place, scheme);
        }
        else
        {
            CheckName(text, place, scheme);
        }

        return (scheme, new EndpointUri(scheme.Name, target));
    }

    private static void CheckPath(string text, string target, EndpointScheme scheme)
    {
        if (target.EndsWith('/'))
        {
            throw EndpointUri.Bad(text, $"its path names a directory; write for instance {scheme.Example}");
        }
    }

    private static void CheckName(string text, string target, EndpointScheme scheme)
    {
        if (scheme.Form != TargetForm.NameOrPath)
        {
            throw EndpointUri.Bad(text, $"its path is not absolute (three slashes are needed); write for instance {scheme.Example}");
        }

        if (target.Contains('/', StringComparison.Ordinal) || target is "." or "..")
        {
            throw EndpointUri.Bad(text, $"a name has no '/' in it; write for instance {scheme.Example}, or an absolute path");
        }
    }

    private EndpointScheme? Find(string name) => Array.Find(_all, scheme => string.Equals(scheme.Name, name, StringComparison.OrdinalIgnoreCase));

    private string? Nearest(string name) => NearestName.Of(name, Offered.Select(static scheme => scheme.Name));

    private ChannelException Unknown(string text, string why) => EndpointUri.Bad(
        text, $"{why}{(why.EndsWith('?') ? "" : ";")} known are: {string.Join(", ", Offered.Select(static scheme => scheme.Example))}");
}
