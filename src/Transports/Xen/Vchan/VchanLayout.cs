using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>The page that both sides of a vchan share (struct vchan_interface of Xen's public/io/libxenvchan.h).</summary>
internal static class VchanLayout
{
    internal const int PageSize = 4096;

    /// <summary>u32: bytes that the server has read of the left ring, which the client writes.</summary>
    internal const int LeftConsumed = 0;

    /// <summary>u32: bytes that the client has written to the left ring.</summary>
    internal const int LeftProduced = 4;

    /// <summary>u32: bytes that the client has read of the right ring, which the server writes.</summary>
    internal const int RightConsumed = 8;

    /// <summary>u32: bytes that the server has written to the right ring.</summary>
    internal const int RightProduced = 12;

    /// <summary>u16: the left ring has two to the power of this bytes; u16 after it: the right ring.</summary>
    internal const int LeftOrder = 16;
    internal const int RightOrder = 18;

    /// <summary>Four bytes, used as one aligned word: is the client live, is the server, what the client shall signal, what the server shall.</summary>
    internal const int Flags = 20;
    internal const int ClientLive = 20;
    internal const int ServerLive = 21;

    /// <summary>u32 each: the grant references of the left ring's own pages, then of the right ring's.</summary>
    internal const int Grants = 24;

    /// <summary>Values of a live byte.</summary>
    internal const byte Gone = 0;
    internal const byte Up = 1;
    internal const byte NotYet = 2;

    /// <summary>What a side asks to be told of.</summary>
    internal const uint TellWritten = 1;
    internal const uint TellConsumed = 2;

    /// <summary>A ring of this order or the next lies in the shared page; larger ones have pages of their own.</summary>
    internal const int SmallOrder = 10;
    internal const int LargeOrder = 11;

    /// <summary>1 MiB: 256 pages for each ring, whose references fit into the shared page.</summary>
    internal const int MaxOrder = 20;

    /// <summary>Whether two rings may have these orders together: each of the places in the shared page is there once.</summary>
    internal static bool IsAllowed(int left, int right) =>
        left is >= SmallOrder and <= MaxOrder && right is >= SmallOrder and <= MaxOrder && (left != right || left > LargeOrder);

    /// <summary>The own pages of a ring; 0 if it lies in the shared page.</summary>
    internal static int Pages(int order) => order <= LargeOrder ? 0 : 1 << (order - 12);

    /// <summary>Where a ring in the shared page begins: its own size, as both sizes are powers of two.</summary>
    internal static int PlaceInPage(int order) => 1 << order;

    /// <summary>The error of a side that does what no vchan does.</summary>
    internal static ChannelException Violation(string what) => new(
        ChannelError.TransportFailed, ErrorClass.Fatal, $"the other domain broke the vchan: {what}; the link ends; see what runs there");
}
