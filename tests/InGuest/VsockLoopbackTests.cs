using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Vsock.Kernel;

namespace ChannelSdk.InGuest;

/// <summary>The kernel's AF_VSOCK on both ends, over vsock_loopback (CID 1).</summary>
public sealed class VsockLoopbackContractTests : TransportContractTests
{
    private static int s_port = 7000;

    public override TransportRig NewRig()
    {
        var port = Interlocked.Increment(ref s_port);
        return new TransportRig(TransportEndpoints.Create($"vsock://1:{port}"), TransportEndpoints.Create($"vsock-listen://1:{port}"))
        {
            Volume = 2 * 1024 * 1024,
        };
    }
}

/// <summary>The host's table of who may connect from which CID. The peer's CID is 1 here, which the kernel tells.</summary>
public sealed class VsockTableTests
{
    [Fact]
    public async Task An_unknown_CID_is_refused_and_reported()
    {
        var told = new TaskCompletionSource<VsockRefusal>(TaskCreationOptions.RunContinuationsAsynchronously);
        void OnRefused(VsockRefusal refusal) => told.TrySetResult(refusal);
        VsockRefusals.Refused += OnRefused;
        try
        {
            await using var of42 = TransportEndpoints.Create("vsock-listen://42:7100");
            var waiting = of42.OpenAsync(CancellationToken.None).AsTask();
            await using var dial = TransportEndpoints.Create("vsock://1:7100");
            await using var link = await dial.OpenAsync(CancellationToken.None).Within();

            var refusal = await told.Task.Within();
            Assert.Equal((1u, 7100u), (refusal.Cid!.Value, refusal.Port));
            Assert.Equal(0, await ReceiveOrEndAsync(link));
            Assert.False(waiting.IsCompleted);
        }
        finally
        {
            VsockRefusals.Refused -= OnRefused;
        }
    }

    [Fact]
    public async Task Two_instances_cannot_have_one_CID()
    {
        await using var first = TransportEndpoints.Create("vsock-listen://42:7101");
        _ = first.OpenAsync(CancellationToken.None).AsTask();
        await using var second = TransportEndpoints.Create("vsock-listen://42:7101");
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await second.OpenAsync(CancellationToken.None));
        Assert.Equal(ChannelError.EndpointBusy, error.Code);
    }

    [Fact]
    public async Task The_CID_chooses_the_endpoint_and_is_the_peers_name()
    {
        await using var other = TransportEndpoints.Create("vsock-listen://42:7102");
        _ = other.OpenAsync(CancellationToken.None).AsTask();
        await using var own = TransportEndpoints.Create("vsock-listen://1:7102");
        var accepted = own.OpenAsync(CancellationToken.None).AsTask();
        await using var dial = TransportEndpoints.Create("vsock://1:7102");
        await using var near = await dial.OpenAsync(CancellationToken.None).Within();
        await using var far = await accepted.Within();
        Assert.StartsWith("1:", far.Peer.Address, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_there_and_no_device_are_told_apart()
    {
        await using var nobody = TransportEndpoints.Create("vsock://1:7103");
        var closed = await Assert.ThrowsAsync<ChannelException>(async () => await nobody.OpenAsync(CancellationToken.None));
        Assert.Contains("nobody listens", closed.Message, StringComparison.Ordinal);
        await using var nowhere = TransportEndpoints.Create("vsock://77:7103");
        var missing = await Assert.ThrowsAsync<ChannelException>(async () => await nowhere.OpenAsync(CancellationToken.None));
        Assert.Contains("no vsock device", missing.Message, StringComparison.Ordinal);
    }

    private static async Task<int> ReceiveOrEndAsync(ITransportLink link)
    {
        try
        {
            return await link.ReceiveAsync(new byte[1]).Within();
        }
        catch (ChannelException)
        {
            return 0;
        }
    }
}
