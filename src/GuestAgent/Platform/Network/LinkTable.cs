using System.Buffers.Binary;
using System.Text;

namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>The interfaces, bounded. No device is dropped in favour of virtual ones.</summary>
internal sealed class LinkTable : INetworkTable
{
    public const ushort Question = 18;
    private const int Entry = 16;
    private const int HeadBytes = 16;
    private const int MaxDevices = 256;
    private const int MaxOthers = 4096;
    private const int LoopbackKind = 772;

    // linux/if_link.h
    private const int Address = 1;
    private const int Name = 3;
    private const int Mtu = 4;
    private const int OperState = 16;
    private const int LinkInfo = 18;
    private const int Stats64 = 23;
    private const int InfoKind = 1;
    private static readonly string[] s_states = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];
    private int _devices;

    /// <summary>By their numbers, in the kernel's order.</summary>
    public Dictionary<int, NetworkLink> Links { get; } = [];

    public void Clear()
    {
        Links.Clear();
        _devices = 0;
    }

    public void Add(int type, ReadOnlySpan<byte> body)
    {
        if (type != Entry || body.Length < HeadBytes)
        {
            return;
        }

        var index = BinaryPrimitives.ReadInt32LittleEndian(body[4..]);
        // A virtual interface has a kind, but for the loopback device.
        var isDevice = BinaryPrimitives.ReadUInt16LittleEndian(body[2..]) != LoopbackKind;
        (var name, var hardware, uint mtu, var state) = ("", "", 0, 0);
        NetworkCounters counters = default;
        var rest = body[HeadBytes..];
        while (RouteSocket.NextAttribute(ref rest, out var kind, out var value))
        {
            switch (kind)
            {
                case Name:
                    name = Encoding.UTF8.GetString(value.TrimEnd((byte)0));
                    break;
                case Address:
                    hardware = Hexadecimal(value);
                    break;
                case Mtu when value.Length >= 4:
                    mtu = BinaryPrimitives.ReadUInt32LittleEndian(value);
                    break;
                case OperState when value.Length >= 1:
                    state = value[0];
                    break;
                case LinkInfo:
                    isDevice &= !HasKind(value);
                    break;
                case Stats64:
                    counters = Counters(value);
                    break;
            }
        }

        if (name.Length > 0 && (isDevice ? _devices < MaxDevices : Links.Count - _devices < MaxOthers))
        {
            _devices += isDevice ? 1 : 0;
            Links[index] = new NetworkLink(index, name, hardware, mtu, state < s_states.Length ? s_states[state] : s_states[0], isDevice, counters);
        }
    }

    private static bool HasKind(ReadOnlySpan<byte> info)
    {
        while (RouteSocket.NextAttribute(ref info, out var kind, out _))
        {
            if (kind == InfoKind)
            {
                return true;
            }
        }

        return false;
    }

    private static string Hexadecimal(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length * 3);
        foreach (var b in bytes)
        {
            text.Append(text.Length > 0 ? ":" : "").Append(b.ToString("x2", null));
        }

        return text.ToString();
    }

    // struct rtnl_link_stats64: numbers of 64 bits, of which the 16th counts packets that the device has missed.
    private static NetworkCounters Counters(ReadOnlySpan<byte> bytes)
    {
        Span<ulong> words = stackalloc ulong[16];
        for (var i = 0; i < words.Length && bytes.Length >= sizeof(ulong); i++)
        {
            words[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            bytes = bytes[sizeof(ulong)..];
        }

        return new NetworkCounters(words[2], words[0], words[4], words[6] + words[15], words[3], words[1], words[5], words[7]);
    }
}
