using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.InXen;

/// <summary>The transport's contract over real grants, event channels and xenstore; both ends in dom0, with rings of a page each.</summary>
public sealed class VchanContractTests : TransportContractTests
{
    private static int s_number;

    public override TransportRig NewRig()
    {
        var name = $"contract-{Interlocked.Increment(ref s_number)}";
        return new TransportRig(TransportEndpoints.Create($"vchan://0/{name}"), TransportEndpoints.Create($"vchan-listen://0/{name}?order=12"))
        {
            Volume = 2 * 1024 * 1024,
        };
    }
}
