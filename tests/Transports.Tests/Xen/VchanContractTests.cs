using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Tests.Contract;
using ChannelSdk.Transports.Xen.Vchan;
using Xunit;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>A guest that serves and a host that connects, over rings with separate pages.</summary>
public sealed class VchanContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig() => VchanRig.New(order: 16);
}

/// <summary>Both rings in the shared page: 1 KiB to the server, 2 KiB from it.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class SmallVchanContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig() => VchanRig.New(order: 10, volume: 2 << 20);
}

/// <summary>The ends exchanged: the server is near.</summary>
public sealed class VchanServerContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig()
    {
        var xen = new XenDouble();
        return new TransportRig(VchanRig.Listen(xen, 0, 3, 12), VchanRig.Dial(xen, 3, 0)) { Parts = [xen], Volume = 4 << 20 };
    }
}

internal static class VchanRig
{
    internal const string Name = "test.0";

    internal static TransportRig New(int order, int volume = 8 << 20)
    {
        var xen = new XenDouble();
        return new TransportRig(Dial(xen, 0, 3), Listen(xen, 3, 0, order)) { Parts = [xen], Volume = volume };
    }

    internal static ITransportEndpoint Dial(XenDouble xen, uint own, uint peer, int patienceMs = 5000) =>
        new VchanLeaseEndpoint($"vchan://{peer}/{Name}", Address(peer, 16), xen.Domain(own))
        {
            Patience = TimeSpan.FromMilliseconds(patienceMs),
        };

    internal static ITransportEndpoint Listen(XenDouble xen, uint own, uint peer, int order = 16) =>
        new VchanListenEndpoint($"vchan-listen://{peer}/{Name}", Address(peer, order), xen.Domain(own));

    /// <summary>A link between a server that waits and a client that comes.</summary>
    internal static async Task<(ITransportLink Server, ITransportLink Client)> MeetAsync(ITransportEndpoint server, ITransportEndpoint client)
    {
        var accepted = server.OpenAsync(default).AsTask();
        var link = await client.OpenAsync(default).Within();
        return (await accepted.Within(), link);
    }

    /// <summary>Waits until a value is there that is another than the one of before.</summary>
    internal static Task ValueChanges(XenDouble xen, string path, string? from) => Task.Run(async () =>
    {
        while (xen.Store.Value(path) is var value && (value is null || value == from))
        {
            await Task.Delay(1);
        }
    }).Within();

    /// <summary>Where the keys are: xenstore takes no dot in a path.</summary>
    internal static string Path(uint server, uint client) => $"/local/domain/{server}/data/vchan/{client}/test-0";

    private static VchanAddress Address(uint peer, int order) =>
        VchanAddress.Parse(TransportEndpoints.Default.Parse($"vchan-listen://{peer}/{Name}?order={order}"), isListen: true);
}
