using System.Globalization;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Xen.Devices;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>Makes the client's link of a vchan in a process that opens nothing itself, of what another process has found (<see cref="IMappedEndpoint"/>).</summary>
public static class VchanHandover
{
    /// <summary>The ioctls that the link makes, for a filter of that process: IOCTL_EVTCHN_NOTIFY.</summary>
    public const uint EventNotify = XenIoctl.EvtchnNotify;

    /// <summary>IOCTL_GNTDEV_SET_UNMAP_NOTIFY.</summary>
    public const uint SetUnmapNotify = XenIoctl.SetUnmapNotify;

    /// <summary>Maps the memory, and enters the channel once the other process has seen that it still is the server's.</summary>
    /// <param name="files">The open files of <see cref="LinkParts"/>, which are the link's from now on.</param>
    /// <param name="description">What they are.</param>
    /// <exception cref="ChannelException">
    /// The server has gone, or has another client (<see cref="ChannelError.EndpointMissing"/>); it cannot be mapped (<see cref="ChannelError.TransportFailed"/>).
    /// </exception>
    public static ValueTask<ITransportLink> OpenAsync(IReadOnlyList<SafeFd> files, ReadOnlySpan<byte> description)
    {
        ArgumentNullException.ThrowIfNull(files);
        return OpenAsync(new XenDevices(), VchanParts.Of(files, description));
    }

    internal static async ValueTask<ITransportLink> OpenAsync(IXenDevices devices, VchanParts parts)
    {
        var peer = new PeerIdentity(VchanAddress.DialScheme, parts.Domain.ToString(CultureInfo.InvariantCulture));
        var lease = DescriptorLinks.Attach(parts.Lease, peer);
        VchanArea? area = null;
        try
        {
            area = VchanArea.Take(devices, parts);
            var word = new[] { VchanLease.Mapped };
            await lease.SendAsync(word).ConfigureAwait(false);
            if (await lease.ReceiveAsync(word).ConfigureAwait(false) != 1 || word[0] != VchanLease.Free)
            {
                throw Missing(peer, "the server went, or changed its keys, while this side connected");
            }

            if (!area.TryClaim())
            {
                throw Missing(peer, "the server has gone or has another client");
            }
        }
        catch
        {
            area?.Dispose();
            lease.Abort();
            throw;
        }

        var link = VchanLink.Attach(area, peer);
        _ = GuardAsync(link, lease);
        return link;
    }

    // The other process ends the lease when the domain is no more; the end of the link ends it too.
    private static async Task GuardAsync(VchanLink link, ITransportLink lease)
    {
        await using (lease.ConfigureAwait(false))
        {
            var told = lease.ReceiveAsync(new byte[1]).AsTask();
            await Task.WhenAny(told, link.Closed).ConfigureAwait(false);
            if (!link.IsClosed)
            {
                link.LosePeer();
                await link.Closed.ConfigureAwait(false);
            }

            lease.Abort();
            await ((Task)told).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static ChannelException Missing(PeerIdentity peer, string why) => new(
        ChannelError.EndpointMissing, ErrorClass.Retry, $"cannot connect to {peer}: {why}; start the agent in that domain, or see whether it runs");
}
