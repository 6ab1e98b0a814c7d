using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Xen.Devices;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>What a server says of its rings in the shared page: a copy, as it can change it at any time, also under the kernel.</summary>
internal readonly unsafe struct VchanShape
{
    private VchanShape(int leftOrder, int rightOrder, uint[] left, uint[] right) => (LeftOrder, RightOrder, Left, Right) = (leftOrder, rightOrder, left, right);

    /// <summary>Log2 of the bytes of the ring that the client writes, checked.</summary>
    internal int LeftOrder { get; }

    /// <summary>Of the other one.</summary>
    internal int RightOrder { get; }

    /// <summary>The grant references of the pages of the ring that the client writes; none if it lies in the shared page.</summary>
    internal uint[] Left { get; }

    /// <summary>Those of the other one.</summary>
    internal uint[] Right { get; }

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
