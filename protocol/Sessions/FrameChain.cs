using System.Buffers.Binary;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// Running checksum of the sequenced frames of one direction (PROTOCOL.md section 5). A HELLO carries the one of the frames
/// that have arrived, so that two histories that part after a snapshot are not joined at an equal sequence number.
/// </summary>
internal static class FrameChain
{
    private const ulong Multiplier = 0x9E3779B97F4A7C15;

    /// <summary>The value before the first frame of a session.</summary>
    public static ulong Seed(UInt128 nonce, UInt128 peerNonce)
    {
        var both = nonce ^ peerNonce;
        return (ulong)both ^ (ulong)(both >> 64);
    }

    /// <summary>The value with one more frame: its header's two checksums cover all of it.</summary>
    public static ulong Add(ulong chain, uint payloadCrc, uint headerCrc)
    {
        chain = (chain ^ payloadCrc ^ (ulong)headerCrc << 32) * Multiplier;
        return chain ^ chain >> 32;
    }

    /// <summary>As <see cref="Add"/>, of a frame in wire form.</summary>
    public static ulong AddFrame(ulong chain, ReadOnlySpan<byte> frame) =>
        Add(chain, BinaryPrimitives.ReadUInt32LittleEndian(frame[16..]), BinaryPrimitives.ReadUInt32LittleEndian(frame[20..]));
}
