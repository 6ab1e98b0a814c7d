using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Worker;

/// <summary>Links that the host manager opens.</summary>
/// <param name="requests">Asks it for each.</param>
internal class BrokeredEndpoint(LinkRequests requests) : ITransportEndpoint
{
    private static readonly PeerIdentity s_guest = new("worker", "guest");

    public string Uri => "worker://guest";

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        var (reply, files) = await requests.AskAsync(cancellationToken).ConfigureAwait(false);
        return DescriptorLinks.Attach(files[0], s_guest, reply.EndsBothWays);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>As <see cref="BrokeredEndpoint"/>, where links come unasked.</summary>
/// <param name="requests">Asks the host manager for each.</param>
/// <param name="hasCandidates">Whether one may come while another is up.</param>
internal sealed class ListeningBrokeredEndpoint(LinkRequests requests, bool hasCandidates) : BrokeredEndpoint(requests), IListeningEndpoint
{
    public bool HasCandidates => hasCandidates;
}
