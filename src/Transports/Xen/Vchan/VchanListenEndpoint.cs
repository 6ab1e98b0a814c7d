using System.Globalization;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Xen.Devices;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// The server of a vchan: grants fresh pages for each link, so that nothing of one is in the next, and tells the one other domain by
/// xenstore where they are.
/// </summary>
/// <param name="uri">The endpoint's URI.</param>
/// <param name="address">The domain that may connect, and the name.</param>
/// <param name="devices">The domain's devices.</param>
internal sealed class VchanListenEndpoint(string uri, VchanAddress address, IXenDevices devices) : VchanEndpoint(uri, address, devices)
{
    private protected override PeerIdentity Peer { get; } = new(VchanAddress.ListenScheme, address.Domain.ToString(CultureInfo.InvariantCulture));

    /// <summary>Below the domain's own home, wherever that is: it moves when the domain is restored.</summary>
    private protected override ValueTask<string> FindPathAsync(CancellationToken cancellationToken) =>
        ValueTask.FromResult($"data/vchan/{Address.Domain}/{Address.Node}");

    private protected override async Task<IVchanHold> ConnectAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var link = VchanLink.Attach(VchanArea.Offer(Devices, Address.Domain, Address.LeftOrder, Address.RightOrder), Peer);
            try
            {
                await PublishAsync(link.Keys, cancellationToken).ConfigureAwait(false);
                if (await WaitAsync(link, cancellationToken).ConfigureAwait(false))
                {
                    return link;
                }

                link.Abort();
            }
            catch (Exception e)
            {
                link.Abort();
                if (e is not ChannelException { Code: ChannelError.EndpointBusy } && !Store.HasFailed)
                {
                    await ForgetAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }

                throw;
            }
            // A client that comes and goes in a loop costs this much.
            await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
        }
    }

    private protected override Task ForgetAsync() => Store.RemoveAsync(Path, CancellationToken.None);

    /// <summary>True when the client is there; false if it has gone again, or the keys have, as after a restore.</summary>
    private async Task<bool> WaitAsync(VchanLink link, CancellationToken cancellationToken)
    {
        var arrival = link.WaitForPeerAsync(cancellationToken).AsTask();
        while (true)
        {
            var changed = Store.Changed;
            if (!await AreThereAsync(link.Keys, cancellationToken).ConfigureAwait(false) && !arrival.IsCompleted)
            {
                link.Abort();
                await ((Task)arrival).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return await ReadKeysAsync(cancellationToken).ConfigureAwait(false) is null ? false : throw new ChannelException(ChannelError.EndpointBusy, ErrorClass.Retry,
                    $"another program of this domain serves {Uri} as well; stop one of them");
            }

            await Task.WhenAny(arrival, changed).ConfigureAwait(false);
            if (arrival.IsCompleted)
            {
                return await arrival.ConfigureAwait(false);
            }

            await Task.WhenAny(arrival, Task.Delay(Pause, cancellationToken)).ConfigureAwait(false);
        }
    }

    /// <summary>The keys of a server before that was killed go; the new ones are for this pair of domains alone.</summary>
    private async Task PublishAsync(VchanKeys keys, CancellationToken cancellationToken)
    {
        var own = await OwnDomainAsync(cancellationToken).ConfigureAwait(false);
        await Store.RemoveAsync(Path, cancellationToken).ConfigureAwait(false);
        await Store.MakeNodeAsync(Path, cancellationToken).ConfigureAwait(false);
        // What is made below inherits this.
        await Store.SetPermissionsAsync(Path, $"n{own}\0", cancellationToken).ConfigureAwait(false);
        await PublishAsync(VchanKeys.RingKey, keys.RingReference, own, cancellationToken).ConfigureAwait(false);
        await PublishAsync(VchanKeys.EventKey, keys.EventPort, own, cancellationToken).ConfigureAwait(false);
    }

    private async Task PublishAsync(string key, uint value, uint own, CancellationToken cancellationToken)
    {
        var path = $"{Path}/{key}";
        await Store.WriteAsync(path, value.ToString(CultureInfo.InvariantCulture), cancellationToken).ConfigureAwait(false);
        await Store.SetPermissionsAsync(path, $"n{own}\0r{Address.Domain}\0", cancellationToken).ConfigureAwait(false);
    }
}
