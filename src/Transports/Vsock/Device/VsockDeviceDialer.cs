using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>Dials a port in the guest, over the device.</summary>
/// <param name="device">The device.</param>
/// <param name="port">The guest's port.</param>
internal sealed class VsockDeviceDialer(VsockDevice device, uint port) : ITransportEndpoint
{
    /// <summary>How long the guest may take to answer: twice what Linux waits by default (VSOCK_DEFAULT_CONNECT_TIMEOUT).</summary>
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(4);

    private bool _isDisposed;

    public string Uri => device.UriOf(port);

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        device.StartFor(Uri);
        var link = device.Connect(port);
        try
        {
            if (!await link.Answered.WaitAsync(s_timeout, cancellationToken).ConfigureAwait(false))
            {
                throw Missing("refused the connection; start the program that listens there in the guest");
            }

            return link;
        }
        catch (Exception error)
        {
            link.Abort();
            if (error is TimeoutException)
            {
                throw Missing($"did not answer for {s_timeout.TotalSeconds} s; see whether it runs");
            }

            throw;
        }
    }

    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        return ValueTask.CompletedTask;
    }

    private ChannelException Missing(string what) => new(
        ChannelError.EndpointMissing, ErrorClass.Retry, $"cannot dial {Uri}: the guest {what}");
}
