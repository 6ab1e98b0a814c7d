using System.Buffers.Binary;
using System.Globalization;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>The hardware addresses of interfaces, changed by rtnetlink(7).</summary>
internal static class LinkAddress
{
    // linux/rtnetlink.h and linux/if.h
    private const ushort NewLink = 16;
    private const uint IsUp = 1;
    private const int HeadBytes = 16;
    private const int AddressAttribute = 1;

    /// <summary>The number of the device with an address; null if there is none.</summary>
    /// <param name="address">6 bytes.</param>
    public static int? Find(ReadOnlySpan<byte> address)
    {
        var links = new LinkTable();
        _ = RouteSocket.Read(LinkTable.Question, new byte[HeadBytes], links);
        var text = Text(address);
        foreach (var link in links.Links.Values)
        {
            // A bridge, a VLAN or a bond has the address of a device below it, and follows that.
            if (link.IsHardware && link.Hardware == text)
            {
                return link.Index;
            }
        }

        return null;
    }

    /// <summary>Gives an interface an address.</summary>
    /// <param name="index">Its number.</param>
    /// <param name="address">6 bytes.</param>
    /// <returns>0, or an errno.</returns>
    public static int Set(int index, ReadOnlySpan<byte> address)
    {
        var error = Change(index, address);
        if (error != Errno.EBUSY)
        {
            return error;
        }
        // Drivers without IFF_LIVE_ADDR_CHANGE change it only while the interface is down. It is up again, whether that went well or not.
        error = Switch(index, 0);
        if (error == 0)
        {
            error = Change(index, address);
            var up = Switch(index, IsUp);
            error = error != 0 ? error : up;
        }

        return error;
    }

    /// <summary>An address as the kernel's tables are read.</summary>
    public static string Text(ReadOnlySpan<byte> address)
    {
        var parts = new string[address.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = address[i].ToString("x2", CultureInfo.InvariantCulture);
        }

        return string.Join(':', parts);
    }

    private static int Change(int index, ReadOnlySpan<byte> address)
    {
        Span<byte> body = stackalloc byte[HeadBytes + 4 + address.Length];
        body.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(body[4..], index);
        BinaryPrimitives.WriteUInt16LittleEndian(body[HeadBytes..], (ushort)(4 + address.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(body[(HeadBytes + 2)..], AddressAttribute);
        address.CopyTo(body[(HeadBytes + 4)..]);
        return RouteSocket.Change(NewLink, body);
    }

    // struct ifinfomsg: family, type, index, flags, and which flags are meant.
    private static int Switch(int index, uint flags)
    {
        Span<byte> body = stackalloc byte[HeadBytes];
        body.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(body[4..], index);
        BinaryPrimitives.WriteUInt32LittleEndian(body[8..], flags);
        BinaryPrimitives.WriteUInt32LittleEndian(body[12..], IsUp);
        return RouteSocket.Change(NewLink, body);
    }
}
