using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Protocol.Tests;

public class RpcCodecTests
{
    [Fact]
    public void Headers_and_statuses_made_of_random_bytes_are_refused_or_read_and_never_crash()
    {
        for (var seed = 0; seed < 50_000; seed++)
        {
            var random = new Random(seed);
            var bytes = new byte[random.Next(0, 64)];
            random.NextBytes(bytes);
            if (bytes.Length > 8 && random.Next(2) == 0)
            {
                (bytes[0], bytes[1], bytes[2], bytes[3]) = (0, (byte)(bytes.Length - 8), 0, 0);
            }

            _ = RpcHeader.TryRead(bytes, out _);
            if (RpcStatus.TryRead(bytes, out var status))
            {
                Assert.DoesNotContain(status.Text, char.IsControl);
            }
        }
    }
}
