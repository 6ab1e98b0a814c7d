using System.Buffers.Binary;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Xen.Devices;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>A server that was found, with all that its client must map and connect, for another process.</summary>
/// <param name="Domain">The server's domain.</param>
/// <param name="Lease">The socket by which that process and this one tell each other that the link is over.</param>
/// <param name="PortFile">The open file of the port.</param>
/// <param name="Port">Its number in this domain.</param>
/// <param name="LeftOrder">Log2 of the bytes of the ring that the client writes.</param>
/// <param name="RightOrder">Of the other one.</param>
/// <param name="Page">The shared page.</param>
/// <param name="Left">The pages of the ring that the client writes; null if it lies in the shared page.</param>
/// <param name="Right">Those of the other one.</param>
internal sealed record VchanParts(
    uint Domain, SafeFd Lease, SafeFd PortFile, uint Port, int LeftOrder, int RightOrder, PreparedGrants Page, PreparedGrants? Left, PreparedGrants? Right)
{
    private const int Size = 40;

    /// <summary>As another process is given them.</summary>
    internal LinkParts ToLinkParts()
    {
        List<SafeFd> files = [Lease, PortFile, Page.File];
        var bytes = new byte[Size];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Domain);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), Port);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), LeftOrder);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), RightOrder);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(16), Page.Index);
        var pages = Page.Pages;
        for (var i = 0; i < 2; i++)
        {
            if ((i == 0 ? Left : Right) is { } ring)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(24 + 8 * i), ring.Index);
                files.Add(ring.File);
                pages += ring.Pages;
            }
        }

        return new LinkParts(files, bytes, (long)pages * XenFile.PageSize);
    }

    /// <summary>As the process that was given them takes them. Both processes are of one build.</summary>
    /// <exception cref="ChannelException">They are not what they should be (<see cref="ChannelError.BadConfiguration"/>).</exception>
    internal static VchanParts Of(IReadOnlyList<SafeFd> files, ReadOnlySpan<byte> description)
    {
        var (left, right) = description.Length != Size ? (-1, -1)
            : (BinaryPrimitives.ReadInt32LittleEndian(description[8..]), BinaryPrimitives.ReadInt32LittleEndian(description[12..]));
        if (!VchanLayout.IsAllowed(left, right) || files.Count != 3 + (VchanLayout.Pages(left) > 0 ? 1 : 0) + (VchanLayout.Pages(right) > 0 ? 1 : 0))
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"parts of a vchan that are none: {files.Count} files and {description.Length} bytes");
        }

        var next = 3;
        var leftRing = Ring(files, left, BinaryPrimitives.ReadUInt64LittleEndian(description[24..]), ref next);
        var rightRing = Ring(files, right, BinaryPrimitives.ReadUInt64LittleEndian(description[32..]), ref next);
        return new VchanParts(BinaryPrimitives.ReadUInt32LittleEndian(description), files[0], files[1], BinaryPrimitives.ReadUInt32LittleEndian(description[4..]),
            left, right, new PreparedGrants(files[2], BinaryPrimitives.ReadUInt64LittleEndian(description[16..]), 1), leftRing, rightRing);
    }

    private static PreparedGrants? Ring(IReadOnlyList<SafeFd> files, int order, ulong index, ref int next) =>
        VchanLayout.Pages(order) is > 0 and var pages ? new PreparedGrants(files[next++], index, pages) : null;
}
