using System.Globalization;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Xen.Devices;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// The client of a vchan: waits until the server's keys are there and lead to a channel without a client, maps it and binds its
/// port. Each open begins with the keys, so a domain that was restarted or restored under the same id is connected to again.
/// </summary>
/// <param name="uri">The endpoint's URI.</param>
/// <param name="address">The server's domain, and the name.</param>
/// <param name="devices">The domain's devices.</param>
internal class VchanDialEndpoint(string uri, VchanAddress address, IXenDevices devices) : VchanEndpoint(uri, address, devices)
{
    /// <summary>The first wait between two looks of one open; each is twice the one before, up to <see cref="VchanEndpoint.Pause"/>.</summary>
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(5);

    /// <summary>How long an open waits for the server; then its caller is told what is missing, and tries again.</summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(5);

    private protected override PeerIdentity Peer { get; } = new(VchanAddress.DialScheme, address.Domain.ToString(CultureInfo.InvariantCulture));

    private protected override async ValueTask<string> FindPathAsync(CancellationToken cancellationToken) =>
        $"/local/domain/{Address.Domain}/data/vchan/{await OwnDomainAsync(cancellationToken).ConfigureAwait(false)}/{Address.Node}";

    private protected override async Task<IVchanHold> ConnectAsync(CancellationToken cancellationToken)
    {
        var end = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        for (var pause = s_firstPause; ; pause = pause * 2 < Pause ? pause * 2 : Pause)
        {
            var changed = Store.Changed;
            ChannelException error;
            try
            {
                if (await ReadKeysAsync(cancellationToken).ConfigureAwait(false) is { } keys)
                {
                    return await TryAsync(keys, cancellationToken).ConfigureAwait(false);
                }

                error = Missing($"{Path} has no {VchanKeys.RingKey} and {VchanKeys.EventKey} that are numbers");
            }
            catch (ChannelException e) when (e.Class == ErrorClass.Retry && !Store.HasFailed)
            {
                error = e;
            }

            var left = end - Environment.TickCount64;
            if (left <= 0)
            {
                throw error;
            }
            // A domain that changes its keys in a loop costs no more than this. What is wrong without a change may be a moment's.
            await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
            await Task.WhenAny(changed, Task.Delay(TimeSpan.FromMilliseconds(Math.Min(left, 500)), cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Connects to the server of some keys.</summary>
    private protected virtual async Task<IVchanHold> TryAsync(VchanKeys keys, CancellationToken cancellationToken)
    {
        var area = VchanArea.Map(Devices, Address.Domain, keys);
        try
        {
            // Nothing was written so far, and nothing is if the keys no longer are those of what was mapped.
            if (!await AreThereAsync(keys, cancellationToken).ConfigureAwait(false))
            {
                throw Missing("the server went, or changed its keys, while this side connected");
            }

            if (!area.TryClaim())
            {
                throw Missing("the server has gone or has another client");
            }
        }
        catch
        {
            area.Dispose();
            throw;
        }

        return VchanLink.Attach(area, Peer);
    }

    private ChannelException Missing(string why) => new(ChannelError.EndpointMissing, ErrorClass.Retry,
        $"cannot connect to {Uri}: {why}; start the agent in domain {Address.Domain}, or see whether that domain runs");
}
