using System.Buffers.Binary;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.Metadata.LinkLocal;

/// <summary>The answers of a DHCP server that has one address to give (RFC 2131, RFC 2132). No router, no name server: the link leads nowhere else.</summary>
internal static class DhcpReply
{
    internal const int ServerPort = 67;
    internal const int ClientPort = 68;

    /// <summary>Largest request that is looked at, bytes.</summary>
    internal const int MaxRequest = 1500;

    /// <summary>Bytes of an answer, padded to the smallest that BOOTP relays and old clients take.</summary>
    internal const int Size = 300;

    private const int FixedSize = 236;
    private const uint Magic = 0x63825363;
    private const uint LeaseSeconds = 86_400;
    private const byte Discover = 1;
    private const byte Offer = 2;
    private const byte Request = 3;
    private const byte Acknowledge = 5;
    private const byte Refuse = 6;
    private const byte Inform = 8;
    private const byte OptionMask = 1;
    private const byte OptionRequested = 50;
    private const byte OptionLease = 51;
    private const byte OptionType = 53;
    private const byte OptionServer = 54;
    private const byte OptionEnd = 255;

    /// <summary>Writes the answer to a request. False if there is none to give.</summary>
    internal static bool TryWrite(ReadOnlySpan<byte> untrustedRequest, Span<byte> reply)
    {
        // BOOTREQUEST, Ethernet, 6 bytes of address.
        if (untrustedRequest.Length < FixedSize + 4 || untrustedRequest[0] != 1 || untrustedRequest[1] != 1 || untrustedRequest[2] != 6
            || BinaryPrimitives.ReadUInt32BigEndian(untrustedRequest[FixedSize..]) != Magic)
        {
            return false;
        }

        var options = untrustedRequest[(FixedSize + 4)..];
        var type = Find(options, OptionType);
        if (type.Length != 1 || type[0] is not (Discover or Request or Inform))
        {
            return false;
        }

        var server = Find(options, OptionServer);
        if (server.Length == 4 && !server.SequenceEqual(LinkLocalAddresses.Host.GetAddressBytes()))
        {
            return false;
        }

        var answer = type[0] switch
        {
            Discover => Offer,
            // The client has its address and asks for the rest (RFC 2131, 4.3.5).
            Inform => Acknowledge,
            _ => Wants(untrustedRequest, options) ? Acknowledge : Refuse,
        };
        Write(untrustedRequest, answer, hasLease: answer != Refuse && type[0] != Inform, reply[..Size]);
        return true;
    }

    /// <summary>Whether a REQUEST is for the one address: in its option, or as its own when it renews.</summary>
    private static bool Wants(ReadOnlySpan<byte> untrustedRequest, ReadOnlySpan<byte> options)
    {
        ReadOnlySpan<byte> guest = LinkLocalAddresses.Guest.GetAddressBytes();
        var wanted = Find(options, OptionRequested);
        return wanted.Length == 4 ? wanted.SequenceEqual(guest) : untrustedRequest.Slice(12, 4).SequenceEqual(guest);
    }

    private static void Write(ReadOnlySpan<byte> untrustedRequest, byte answer, bool hasLease, Span<byte> reply)
    {
        reply.Clear();
        reply[0] = 2;
        reply[1] = 1;
        reply[2] = 6;
        // Transaction number, flags, and the client's address come back.
        untrustedRequest.Slice(4, 4).CopyTo(reply[4..]);
        untrustedRequest.Slice(10, 2).CopyTo(reply[10..]);
        untrustedRequest.Slice(28, 16).CopyTo(reply[28..]);
        ReadOnlySpan<byte> host = LinkLocalAddresses.Host.GetAddressBytes();
        if (!hasLease)
        {
            // As it says, and nothing is given.
            untrustedRequest.Slice(12, answer == Refuse ? 0 : 4).CopyTo(reply[12..]);
        }
        else
        {
            LinkLocalAddresses.Guest.GetAddressBytes().CopyTo(reply[16..]);
        }

        BinaryPrimitives.WriteUInt32BigEndian(reply[FixedSize..], Magic);
        var options = reply[(FixedSize + 4)..];
        Add(ref options, OptionType, [answer]);
        Add(ref options, OptionServer, host);
        if (answer != Refuse)
        {
            Span<byte> number = stackalloc byte[4];
            if (hasLease)
            {
                BinaryPrimitives.WriteUInt32BigEndian(number, LeaseSeconds);
                Add(ref options, OptionLease, number);
            }

            BinaryPrimitives.WriteUInt32BigEndian(number, uint.MaxValue << (32 - LinkLocalAddresses.PrefixLength));
            Add(ref options, OptionMask, number);
        }

        options[0] = OptionEnd;
    }

    private static void Add(ref Span<byte> options, byte code, scoped ReadOnlySpan<byte> value)
    {
        options[0] = code;
        options[1] = (byte)value.Length;
        value.CopyTo(options[2..]);
        options = options[(2 + value.Length)..];
    }

    private static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> options, byte code)
    {
        while (options.Length >= 2 && options[0] != OptionEnd)
        {
            if (options[0] == 0)
            {
                options = options[1..];
                continue;
            }

            int length = options[1];
            if (length > options.Length - 2)
            {
                break;
            }

            if (options[0] == code)
            {
                return options.Slice(2, length);
            }

            options = options[(2 + length)..];
        }

        return default;
    }
}
