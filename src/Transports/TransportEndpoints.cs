namespace ChannelSdk.Transports;

/// <summary>Makes endpoints from URIs.</summary>
public static class TransportEndpoints
{
    /// <summary>The schemes that <see cref="Create(string)"/> knows.</summary>
    public static IReadOnlyList<string> KnownSchemes { get; } = [.. EndpointScheme.Names];

    /// <summary>Makes the endpoint of a URI. Nothing is dialled, bound or opened before its first OpenAsync.</summary>
    /// <param name="uri">For instance <c>unix:///run/channel.sock</c> or <c>virtio-port://org.channelsdk.agent.0</c>.</param>
    /// <exception cref="Protocol.ChannelException">The URI cannot be understood (code 504).</exception>
    public static ITransportEndpoint Create(string uri) => Create(EndpointUri.Parse(uri));

    /// <summary>Makes the endpoint of a parsed URI. Nothing is dialled, bound or opened before its first OpenAsync.</summary>
    /// <param name="uri">The URI.</param>
    public static ITransportEndpoint Create(EndpointUri uri)
    {
        ArgumentNullException.ThrowIfNull(uri);
        EndpointScheme scheme = EndpointScheme.Find(uri.Scheme)
            ?? throw new InvalidOperationException($"A parsed URI has an unknown scheme: {uri.Scheme}.");
        return scheme.Make(uri);
    }
}
