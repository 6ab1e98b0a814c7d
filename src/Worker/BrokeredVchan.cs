using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Xen.Vchan;

namespace ChannelSdk.Worker;

/// <summary>Links to a server of vchan that the host manager finds and makes ready: this process maps its memory, and no other reads it.</summary>
/// <param name="requests">Asks the host manager for each.</param>
internal sealed class BrokeredVchan(LinkRequests requests) : ITransportEndpoint
{
    public string Uri => "worker://guest";

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        var (reply, files) = await requests.AskAsync(cancellationToken).ConfigureAwait(false);
        return await VchanHandover.OpenAsync(files, reply.Description.Span).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
