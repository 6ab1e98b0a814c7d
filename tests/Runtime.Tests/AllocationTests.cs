using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Runtime.Tests;

/// <summary>What a call allocates. The counter is the process's, so nothing else runs beside.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public class AllocationTests
{
    [Fact]
    public async Task Unary_calls_allocate_only_their_messages()
    {
        await using var pair = new ChannelPair();
        var request = new BytesValue { Value = ByteString.CopyFrom(new byte[64]) };
        for (var i = 0; i < 5000; i++)
        {
            await pair.Host.CallAsync(ChannelPair.Echo, request);
        }

        // The decoded request and reply (a BytesValue and its bytes each), the handler's context and invocation. The counter is
        // the process's: what else runs in it shows in some rounds, what a call allocates in all of them.
        var perCall = long.MaxValue;
        for (var round = 0; round < 10; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < 1000; i++)
            {
                await pair.Host.CallAsync(ChannelPair.Echo, request);
            }

            perCall = Math.Min(perCall, (GC.GetTotalAllocatedBytes(precise: true) - before) / 1000);
        }

        Assert.InRange(perCall, 0, 700);
    }
}
