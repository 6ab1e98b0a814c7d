using System.Runtime.InteropServices;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Xen.Devices;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// What one side of a vchan holds: the mapped memory and the event channel. A handle, so that a call in flight keeps the
/// memory mapped while another thread ends the link.
/// </summary>
internal sealed unsafe class VchanArea : SafeHandle
{
    private readonly GrantArea _page;
    private readonly bool _isServer;
    private GrantArea? _left;
    private GrantArea? _right;
    private EventPort? _port;
    private VchanEnd? _end;
    private bool _isOurs;

    private VchanArea(GrantArea page, bool isServer) : base(0, ownsHandle: true)
    {
        (_page, _isServer) = (page, isServer);
        SetHandle((nint)page.Start);
    }

    public override bool IsInvalid => handle == 0;

    internal VchanEnd End => _end!;

    internal EventPort Port => _port!;

    /// <summary>By which the client finds it.</summary>
    internal VchanKeys Keys { get; private set; } = null!;

    /// <summary>The server's side: fresh pages for a peer, and a port that it may connect to.</summary>
    /// <exception cref="ChannelException">A device is missing or denied (<see cref="ChannelError.EndpointMissing"/>, <see cref="ChannelError.EndpointDenied"/>), or a call failed (<see cref="ChannelError.TransportFailed"/>).</exception>
    internal static VchanArea Offer(IXenDevices devices, uint peer, int leftOrder, int rightOrder)
    {
        var area = new VchanArea(devices.Grant(peer, 1), isServer: true);
        try
        {
            var page = area._page.Start;
            area._port = devices.Listen(peer);
            area._page.NotifyOnUnmap(VchanLayout.ServerLive, area._port);
            *(ushort*)(page + VchanLayout.LeftOrder) = (ushort)leftOrder;
            *(ushort*)(page + VchanLayout.RightOrder) = (ushort)rightOrder;
            var grants = (uint*)(page + VchanLayout.Grants);
            area._left = GrantRing(devices, peer, leftOrder, ref grants);
            area._right = GrantRing(devices, peer, rightOrder, ref grants);
            area.MakeEnd(leftOrder, rightOrder);
            area.End.Offer();
            area._isOurs = true;
            area.Keys = new VchanKeys(area._page.References[0], area._port.Number);
            return area;
        }
        catch
        {
            area.Dispose();
            throw;
        }
    }

    /// <summary>The client's side: the server's pages, and its port. The channel is not claimed yet.</summary>
    /// <exception cref="ChannelException">The server's keys lead nowhere, or what it granted is no vchan (<see cref="ChannelError.TransportFailed"/>, class Retry).</exception>
    internal static VchanArea Map(IXenDevices devices, uint peer, VchanKeys keys)
    {
        var area = new VchanArea(devices.Map(peer, [keys.RingReference]), isServer: false) { Keys = keys };
        try
        {
            var shape = VchanShape.Read(area._page, peer);
            area._port = devices.Connect(peer, keys.EventPort);
            area._left = shape.Left.Length == 0 ? null : devices.Map(peer, shape.Left);
            area._right = shape.Right.Length == 0 ? null : devices.Map(peer, shape.Right);
            area.MakeEnd(shape.LeftOrder, shape.RightOrder);
            return area;
        }
        catch
        {
            area.Dispose();
            throw;
        }
    }

    /// <summary>The client's side, of what another process has found and made ready. The channel is not claimed yet.</summary>
    /// <param name="devices">Maps it.</param>
    /// <param name="parts">What was found.</param>
    /// <exception cref="ChannelException">It cannot be mapped (<see cref="ChannelError.TransportFailed"/>, class Retry).</exception>
    internal static VchanArea Take(IXenDevices devices, VchanParts parts)
    {
        var area = new VchanArea(devices.Take(parts.Page), isServer: false) { Keys = new VchanKeys(0, parts.Port) };
        try
        {
            area._port = devices.Take(parts.PortFile, parts.Port);
            area._left = parts.Left is { } left ? devices.Take(left) : null;
            area._right = parts.Right is { } right ? devices.Take(right) : null;
            area.MakeEnd(parts.LeftOrder, parts.RightOrder);
            return area;
        }
        catch
        {
            area.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Enters a mapped channel as its client; false if another client has it, or the server has gone. Before that, nothing of it
    /// is written, as it may belong to another channel.
    /// </summary>
    internal bool TryClaim()
    {
        if (!End.TryClaim())
        {
            return false;
        }

        _isOurs = true;
        _page.NotifyOnUnmap(VchanLayout.ClientLive, Port);
        Port.Notify();
        return true;
    }

    /// <summary>The other side sees this one gone before the memory goes; what it has not read yet it still can.</summary>
    protected override bool ReleaseHandle()
    {
        if (_port is not null && !_page.Knows(_port))
        {
            // The domain was restored: no other domain sees these pages any more.
            _port.Abandon();
            _page.Abandon();
            if (_isServer)
            {
                _left?.Dispose();
                _right?.Dispose();
            }

            return true;
        }

        if (_isOurs)
        {
            _end!.Leave();
            _port!.Notify();
        }

        _left?.Dispose();
        _right?.Dispose();
        _page.Dispose();
        _port?.Dispose();
        return true;
    }

    private static GrantArea? GrantRing(IXenDevices devices, uint peer, int order, ref uint* grants)
    {
        var pages = VchanLayout.Pages(order);
        if (pages == 0)
        {
            return null;
        }

        var ring = devices.Grant(peer, pages);
        ring.References.CopyTo(new Span<uint>(grants, pages));
        grants += pages;
        return ring;
    }

    private void MakeEnd(int leftOrder, int rightOrder)
    {
        var page = _page.Start;
        var left = _left is null ? page + VchanLayout.PlaceInPage(leftOrder) : _left.Start;
        var right = _right is null ? page + VchanLayout.PlaceInPage(rightOrder) : _right.Start;
        _end = new VchanEnd(_isServer, page, left, leftOrder, right, rightOrder);
    }
}
