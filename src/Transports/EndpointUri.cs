using ChannelSdk.Protocol;

namespace ChannelSdk.Transports;

/// <summary>An endpoint's URI, <c>scheme://target</c>. The target is taken as it stands, without escapes.</summary>
public sealed record EndpointUri
{
    /// <summary>The longest URI that is accepted, in characters.</summary>
    public const int MaxLength = 1024;

    private EndpointUri(string scheme, string target)
    {
        Scheme = scheme;
        Target = target;
    }

    /// <summary>The transport, in lower case.</summary>
    public string Scheme { get; }

    /// <summary>An absolute path; for some schemes with options behind it, a name, or an address.</summary>
    public string Target { get; }

    /// <summary>Reads a URI of one of the known schemes.</summary>
    /// <param name="text">The URI, at most <see cref="MaxLength"/> characters.</param>
    /// <exception cref="ChannelException">It cannot be understood (code 504); the text says what is wrong and what is allowed.</exception>
    public static EndpointUri Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length is 0 or > MaxLength)
        {
            throw Unknown(text, text.Length == 0 ? "it is empty" : $"it is longer than {MaxLength} characters");
        }
        if (text.AsSpan().ContainsAnyInRange((char)0, (char)0x1F) || text.AsSpan().ContainsAnyInRange((char)0x7F, (char)0x9F))
        {
            throw Bad(text, "it contains a control character");
        }
        int colon = text.IndexOf("://", StringComparison.Ordinal);
        if (colon <= 0)
        {
            throw Unknown(text, "it does not begin with a scheme and '://'");
        }

        string name = text[..colon];
        string target = text[(colon + 3)..];
        EndpointScheme scheme = EndpointScheme.Find(name)
            ?? throw Unknown(text, $"'{Printable(name)}' is no known scheme{(EndpointScheme.Nearest(name) is { } near ? $"; did you mean '{near}'?" : "")}");
        if (target.Length == 0)
        {
            throw Bad(text, $"nothing comes after '://'; write for instance {scheme.Example}");
        }
        if (scheme.Form == TargetForm.Own)
        {
            return new EndpointUri(scheme.Name, target);
        }
        string place = scheme.Form == TargetForm.PathAndOptions ? target.Split('?', 2)[0] : target;
        if (place.StartsWith('/'))
        {
            CheckPath(text, place, scheme);
        }
        else
        {
            CheckName(text, place, scheme);
        }
        return new EndpointUri(scheme.Name, target);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Scheme}://{Target}";

    /// <summary>The error of a target that only its scheme can judge.</summary>
    internal ChannelException Bad(string why) => Bad(ToString(), why);

    private static void CheckPath(string text, string target, EndpointScheme scheme)
    {
        if (target.EndsWith('/'))
        {
            throw Bad(text, $"its path names a directory; write for instance {scheme.Example}");
        }
    }

    private static void CheckName(string text, string target, EndpointScheme scheme)
    {
        if (scheme.Form != TargetForm.NameOrPath)
        {
            throw Bad(text, $"its path is not absolute (three slashes are needed); write for instance {scheme.Example}");
        }
        if (target.Contains('/', StringComparison.Ordinal) || target is "." or "..")
        {
            throw Bad(text, $"a name has no '/' in it; write for instance {scheme.Example}, or an absolute path");
        }
    }

    private static ChannelException Unknown(string text, string why) =>
        Bad(text, $"{why}{(why.EndsWith('?') ? "" : ".")} Known are: {EndpointScheme.KnownList}");

    private static ChannelException Bad(string text, string why) => new(
        ChannelError.BadEndpointUri, ErrorClass.Refused, $"'{Printable(text)}' is no endpoint: {why}.");

    internal static string Printable(string text) => SafeText.Escape(text, 80);
}
