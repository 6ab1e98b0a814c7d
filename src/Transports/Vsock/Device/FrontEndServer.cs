using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.UnixSocket;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>Serves the front-ends that connect to a device, one after another.</summary>
/// <param name="core">The device.</param>
/// <param name="options">What it is.</param>
/// <param name="store">Keeps the front-end for a next process; null if there is none.</param>
/// <param name="onFault">Told what a front-end, or its guest, did that ended the device.</param>
internal sealed class FrontEndServer(DeviceCore core, VsockDeviceOptions options, FrontEndStore? store, Action<string> onFault)
{
    private volatile FrontEnd? _frontEnd;

    /// <summary>Whether one is connected.</summary>
    internal bool HasFrontEnd => _frontEnd is not null;

    /// <summary>Serves until it is told to stop, or the socket fails.</summary>
    internal async Task ServeAsync(UnixListener listener, CancellationToken stopping)
    {
        try
        {
            if (store is not null && FrontEnd.Restore(core, listener.Closer, IoReactor.Shared, options, store) is { } kept)
            {
                await ServeAsync(kept, stopping).ConfigureAwait(false);
            }

            while (true)
            {
                var fd = await listener.AcceptAsync(stopping).ConfigureAwait(false);
                try
                {
                    await ServeAsync(FrontEnd.Attach(core, fd, IoReactor.Shared, options, store), stopping).ConfigureAwait(false);
                }
                catch (ChannelException error)
                {
                    fd.Dispose();
                    onFault(error.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }
        catch (ChannelException error)
        {
            onFault(error.Message);
        }
    }

    private async Task ServeAsync(FrontEnd frontEnd, CancellationToken stopping)
    {
        _frontEnd = frontEnd;
        string? fault;
        using (stopping.UnsafeRegister(static state => ((FrontEnd)state!).Close(null), frontEnd))
        {
            fault = await frontEnd.Ended.ConfigureAwait(false);
        }

        _frontEnd = null;
        if (fault is not null)
        {
            onFault(fault);
        }
    }
}
