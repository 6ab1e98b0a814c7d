using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.VirtioSerial;

/// <summary>One period of host presence on a virtio port, as far as it can be seen from the guest.</summary>
/// <remarks>
/// A host that goes and comes back between two calls is not noticed: the link goes on with another peer, and the
/// bytes of the old one may be read first. The layer above finds its place again in the stream by its framing.
/// </remarks>
internal sealed class VirtioPortLink : FdLink
{
    private readonly VirtioPort _port;

    internal VirtioPortLink(VirtioPort port, PeerIdentity peer) : base(port.Fd, IoReactor.Shared, peer) => _port = port;

    private protected override unsafe int TryReceive(Span<byte> buffer)
    {
        // Once ended, bytes that wait belong to the next link.
        while (!Ended)
        {
            nint received;
            fixed (byte* start = buffer)
            {
                received = DescriptorCalls.Read(Fd, start, (nuint)buffer.Length);
            }

            if (received > 0)
            {
                return (int)received;
            }

            if (received == 0)
            {
                Ended = true;
                break;
            }

            switch (Errno.Last)
            {
                case Errno.EINTR:
                    continue;
                case Errno.EAGAIN:
                    return -1;
                case Errno.ENODEV or Errno.ENXIO or Errno.EIO:
                    EndUnplugged();
                    break;
                default:
                    throw Failed("read", Errno.Last);
            }
        }

        return 0;
    }

    private protected override unsafe int TrySend(ReadOnlySpan<byte> buffer)
    {
        while (!Ended)
        {
            nint sent;
            fixed (byte* start = buffer)
            {
                sent = DescriptorCalls.Write(Fd, start, (nuint)buffer.Length);
            }

            if (sent > 0)
            {
                return (int)sent;
            }

            switch (sent == 0 ? Errno.EAGAIN : Errno.Last)
            {
                case Errno.EINTR:
                    continue;
                case Errno.EAGAIN:
                    // Full and host absent give the same errno.
                    if (_port.CheckHost() == HostPresence.Present)
                    {
                        return -1;
                    }

                    Ended = true;
                    break;
                case Errno.ENODEV or Errno.ENXIO or Errno.EIO or Errno.EPIPE:
                    EndUnplugged();
                    break;
                default:
                    throw Failed("write", Errno.Last);
            }
        }

        throw PeerGone();
    }

    private protected override void Release()
    {
        if (ReferenceEquals(_port.Link, this))
        {
            _port.Link = null;
        }
    }

    private void EndUnplugged()
    {
        _port.IsUnplugged = true;
        Ended = true;
    }
}
