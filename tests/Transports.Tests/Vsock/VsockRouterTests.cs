using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

public sealed class VsockRouterTests
{
    [Fact]
    public void Ports_of_the_host_begin_at_another_place_in_each_router()
    {
        uint[] first = [.. Enumerable.Range(0, 4).Select(_ => FirstPort())];
        Assert.True(first.Distinct().Count() > 1, $"all began at {first[0]}");
        Assert.All(first, port => Assert.InRange(port, 1u << 30, uint.MaxValue - 1));
    }

    private static uint FirstPort() => new VsockRouter(3, VsockLimits.Default).Connect(1024, new NoUser())!.HostPort;

    private sealed class NoUser : IVsockUser
    {
        public bool IsReceiving => false;

        public void OnReadable()
        {
        }

        public void OnWritable()
        {
        }
    }
}
