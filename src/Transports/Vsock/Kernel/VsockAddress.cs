using System.Globalization;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Vsock.Kernel;

/// <summary>A CID and a port, and the socket calls on them (vsock(7)).</summary>
/// <param name="Cid">The CID; <see cref="AnyCid"/> for any.</param>
/// <param name="Port">The port.</param>
internal readonly record struct VsockAddress(uint Cid, uint Port)
{
    /// <summary>VMADDR_CID_HOST.</summary>
    internal const uint HostCid = 2;

    /// <summary>VMADDR_CID_ANY.</summary>
    internal const uint AnyCid = uint.MaxValue;

    /// <summary>struct sockaddr_vm: family, two reserved bytes, port, CID, flags, zero.</summary>
    private const int Length = 16;

    /// <summary>Reads <c>CID:PORT</c>, or with no CID <c>:PORT</c> if that is allowed.</summary>
    internal static VsockAddress Parse(EndpointUri uri, string target, bool takesAny)
    {
        var parts = target.Split(':');
        var isAny = takesAny && parts[0].Length == 0;
        var cid = AnyCid;
        if (parts.Length == 2 && (isAny || TryParse(parts[0], out cid)) && TryParse(parts[1], out var port))
        {
            return new VsockAddress(cid, port);
        }

        throw uri.Bad(takesAny
            ? "it is not CID:PORT for one peer or :PORT for any, in decimal numbers"
            : "it is not CID:PORT, in decimal numbers; the host's CID is 2");
    }

    public override string ToString() => Cid == AnyCid ? $":{Port}" : $"{Cid}:{Port}";

    /// <summary>A new, non-blocking stream socket, or -1 and the errno.</summary>
    internal static int NewSocket() => SocketCalls.Socket(Abi.AF_VSOCK, Abi.SOCK_STREAM | Abi.SOCK_NONBLOCK | Abi.SOCK_CLOEXEC, 0);

    /// <summary>Begins to connect: 0 when that is done, or an errno, EINPROGRESS among them.</summary>
    internal unsafe int Connect(SafeFd fd)
    {
        var address = stackalloc byte[Length];
        Write(new Span<byte>(address, Length));
        return SocketCalls.Connect(fd, address, Length) < 0 ? Errno.Last : 0;
    }

    /// <summary>Binds: 0 or an errno.</summary>
    internal unsafe int Bind(SafeFd fd)
    {
        var address = stackalloc byte[Length];
        Write(new Span<byte>(address, Length));
        return SocketCalls.Bind(fd, address, Length) < 0 ? Errno.Last : 0;
    }

    /// <summary>The other end of a connected socket; null when it has gone.</summary>
    internal static unsafe VsockAddress? PeerOf(SafeFd fd)
    {
        var address = stackalloc byte[Length];
        uint length = Length;
        if (SocketCalls.GetPeerName(fd, address, &length) < 0 || length < Length)
        {
            return null;
        }

        var words = new ReadOnlySpan<uint>(address, Length / sizeof(uint));
        return new VsockAddress(words[2], words[1]);
    }

    private void Write(Span<byte> address)
    {
        address.Clear();
        var words = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(address);
        words[0] = Abi.AF_VSOCK;
        words[1] = Port;
        words[2] = Cid;
    }

    private static bool TryParse(string text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number != uint.MaxValue;
}
