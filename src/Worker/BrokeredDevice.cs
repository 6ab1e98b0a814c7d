using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Worker;

/// <summary>
/// The vsock device of the guest, in this process: the host manager gives the listening socket, and what QEMU sends on its connections, memory and
/// descriptors, is never in another process.
/// </summary>
/// <param name="requests">Asks the host manager for the socket.</param>
/// <param name="store">What the worker before has left of QEMU's, and where this one leaves it.</param>
internal sealed class BrokeredDevice(LinkRequests requests, DescriptorStore store) : IListeningEndpoint
{
    private IListeningEndpoint? _inner;

    public string Uri => _inner?.Uri ?? "worker://guest";

    public bool HasCandidates => true;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        if (_inner is null)
        {
            var (reply, files) = await requests.AskAsync(cancellationToken).ConfigureAwait(false);
            _inner = VsockDevice.Inherit(files[0], reply.Description.Span, store);
        }

        return await _inner.OpenAsync(cancellationToken).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => _inner?.DisposeAsync() ?? ValueTask.CompletedTask;
}
