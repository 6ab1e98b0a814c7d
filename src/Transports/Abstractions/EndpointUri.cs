using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>
/// An endpoint's URI, <c>scheme://target</c>, read by <see cref="EndpointSchemes.Parse"/>. The target is taken as it stands, without
/// escapes.
/// </summary>
public sealed record EndpointUri
{
    internal EndpointUri(string scheme, string target)
    {
        Scheme = scheme;
        Target = target;
    }

    /// <summary>The transport, in lower case.</summary>
    public string Scheme { get; }

    /// <summary>An absolute path; for some schemes with options behind it, a name, or an address.</summary>
    public string Target { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{Scheme}://{Target}";

    /// <summary>The error of a target that only its scheme can judge.</summary>
    /// <param name="why">What is wrong, as the end of a sentence.</param>
    public ChannelException Bad(string why) => Bad(ToString(), why);

    internal static ChannelException Bad(string text, string why) => new(
        ChannelError.BadEndpointUri, ErrorClass.Refused, $"'{Printable(text)}' is no endpoint: {why}");

    internal static string Printable(string text) => SafeText.Escape(text, 80);
}
