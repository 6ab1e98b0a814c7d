using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>Addresses as the system's tools write them (inet_ntop(3)).</summary>
internal static class AddressText
{
    public const byte Four = 2;
    public const byte Six = 10;
    private const int MaxText = 46;

    /// <summary>An address as text; null for bytes that are no address.</summary>
    public static unsafe string? Of(byte family, ReadOnlySpan<byte> address)
    {
        if (!(family == Four && address.Length == 4) && !(family == Six && address.Length == 16))
        {
            return null;
        }

        var text = stackalloc byte[MaxText];
        fixed (byte* start = address)
        {
            return SocketCalls.AddressToText(family, start, text, MaxText) is 0 ? null : Marshal.PtrToStringUTF8((nint)text);
        }
    }

    /// <summary>The same; an address that is left out is the one of all zeros.</summary>
    public static string? OrZero(byte family, ReadOnlySpan<byte> address) =>
        !address.IsEmpty ? Of(family, address) : family == Four ? "0.0.0.0" : family == Six ? "::" : null;
}
