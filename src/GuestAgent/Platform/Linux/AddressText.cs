using System.Runtime.InteropServices;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>Addresses as the system's tools write them (inet_ntop(3)).</summary>
internal static partial class AddressText
{
    public const byte Four = 2;
    public const byte Six = 10;
    private const int MaxText = 46;

    /// <summary>An address as text; null for what is none.</summary>
    public static unsafe string? Of(byte family, ReadOnlySpan<byte> address)
    {
        if (!(family == Four && address.Length == 4) && !(family == Six && address.Length == 16))
        {
            return null;
        }
        byte* text = stackalloc byte[MaxText];
        fixed (byte* start = address)
        {
            return ToText(family, start, text, MaxText) is 0 ? null : Marshal.PtrToStringUTF8((nint)text);
        }
    }

    /// <summary>The same; an address that is left out is the one of all zeros.</summary>
    public static string? OrZero(byte family, ReadOnlySpan<byte> address) =>
        !address.IsEmpty ? Of(family, address) : family == Four ? "0.0.0.0" : family == Six ? "::" : null;

    [LibraryImport("libc", EntryPoint = "inet_ntop")]
    private static unsafe partial nint ToText(int family, byte* address, byte* text, uint size);
}
