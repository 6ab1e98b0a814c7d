using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Xen.Devices;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>What a server says of its rings in the shared page: a copy, as it can change it at any time, also under the kernel.</summary>
/// <param name="LeftOrder">Log2 of the bytes of the ring that the client writes, checked.</param>
/// <param name="RightOrder">Of the other one.</param>
/// <param name="Left">The grant references of its pages; none if it lies in the shared page.</param>
/// <param name="Right">Those of the other one.</param>
internal sealed unsafe record VchanShape(int LeftOrder, int RightOrder, uint[] Left, uint[] Right)
{
    /// <summary>Reads it.</summary>
    /// <exception cref="ChannelException">It is no vchan (<see cref="ChannelError.TransportFailed"/>, class Retry).</exception>
    internal static VchanShape Read(GrantArea shared, uint peer)
    {
        var page = shared.Start;
        int untrustedLeft = Volatile.Read(ref *(ushort*)(page + VchanLayout.LeftOrder));
        int untrustedRight = Volatile.Read(ref *(ushort*)(page + VchanLayout.RightOrder));
        if (!VchanLayout.IsAllowed(untrustedLeft, untrustedRight))
        {
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry,
                $"what domain {peer} granted is no vchan: its rings have orders {untrustedLeft} and {untrustedRight}; 10 to 20 are allowed, and not twice 10 or 11");
        }

        var grants = (uint*)(page + VchanLayout.Grants);
        var (left, right) = (VchanLayout.Pages(untrustedLeft), VchanLayout.Pages(untrustedRight));
        return new VchanShape(untrustedLeft, untrustedRight, new ReadOnlySpan<uint>(grants, left).ToArray(), new ReadOnlySpan<uint>(grants + left, right).ToArray());
    }
}
