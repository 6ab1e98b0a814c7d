using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Tests;

/// <summary>A worker that was taken over leaves a state for the next one, which is to be no worse than its guest.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class HostileStateTests
{
    private const int MaxMessage = 10_000;

    [Fact]
    public void A_state_with_any_bytes_changed_is_refused_or_gone_on_with_and_nothing_else_is_thrown()
    {
        var (refused, resumed) = (0, 0);
        for (var seed = 1; seed <= 3000; seed++)
        {
            var random = new Random(seed);
            var options = new WireFaults(random).NewOptions(4);
            var host = new WorkedCallPeer(options, seed, MaxMessage);
            var guest = new CallPeer(PeerRole.Guest, options, seed, MaxMessage) { AnswersAtOnce = false };
            var wire = new Wire<CallPeer>(guest, host);
            wire.Connect();
            wire.Run(1000);
            for (var attempt = 1; attempt <= 4; attempt++)
            {
                host.Call(attempt, random.Next(4, 9000), 0, wire.Now, (StreamClass)random.Next(3));
            }

            wire.Run(random.Next(1000));
            try
            {
                host.End.RestartTamperedWith(random);
                resumed++;
                wire.Cut();
                wire.Connect();
                wire.Run(100_000);
                guest.AnswerAll();
                wire.Run(2_000_000);
            }
            catch (ChannelException e) when (e.Code == ChannelError.WorkerFailed)
            {
                refused++;
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}: {e.Message}", e);
            }
        }

        Assert.True(refused > 500 && resumed > 500, $"{refused} were refused, {resumed} were gone on with");
    }
}
