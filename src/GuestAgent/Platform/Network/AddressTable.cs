using System.Buffers.Binary;

namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>The addresses of the interfaces, bounded for each and for all; apart for devices and for others.</summary>
/// <param name="links">The interfaces, which get them.</param>
internal sealed class AddressTable(LinkTable links) : INetworkTable
{
    public const ushort Question = 22;
    private const int Entry = 20;
    private const int HeadBytes = 8;
    private const int MaxOfLink = 512;
    private const int MaxOfAll = 4096;

    // linux/if_addr.h: where there is a peer, Address is its.
    private const int Address = 1;
    private const int Local = 2;
    private readonly int[] _count = new int[2];

    public void Clear()
    {
        Array.Clear(_count);
        foreach (var link in links.Links.Values)
        {
            link.Addresses.Clear();
        }
    }

    public void Add(int type, ReadOnlySpan<byte> body)
    {
        if (type != Entry || body.Length < HeadBytes || !links.Links.TryGetValue(BinaryPrimitives.ReadInt32LittleEndian(body[4..]), out var link))
        {
            return;
        }

        ref var count = ref _count[link.IsHardware ? 1 : 0];
        if (link.Addresses.Count >= MaxOfLink || count >= MaxOfAll)
        {
            return;
        }

        ReadOnlySpan<byte> own = default;
        var rest = body[HeadBytes..];
        while (RouteSocket.NextAttribute(ref rest, out var kind, out var value))
        {
            own = kind == Local || (kind == Address && own.IsEmpty) ? value : own;
        }

        if (AddressText.Of(body[0], own) is { } text)
        {
            count++;
            link.Addresses.Add(new NetworkAddress(body[0] == AddressText.Six, text, body[1]));
        }
    }
}
