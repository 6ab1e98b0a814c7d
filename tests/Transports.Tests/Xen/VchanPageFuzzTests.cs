using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Xen.Vchan;
using Xunit;
using Xunit.Abstractions;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>
/// A peer that writes what it likes into all that is shared, while this side works on it. CHANNELSDK_FUZZ_SECONDS sets how long
/// (5 by default), CHANNELSDK_FUZZ_SEED with which seed to begin; every round prints its own on failure.
/// </summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class VchanPageFuzzTests(ITestOutputHelper output)
{
    private static readonly (int Left, int Right)[] s_orders = [(10, 11), (11, 10), (12, 12), (10, 13), (14, 11)];

    [Fact]
    public void Whatever_a_peer_writes_this_side_stays_within_the_shared_memory()
    {
        var seed = Setting("CHANNELSDK_FUZZ_SEED", Environment.TickCount);
        var limit = TimeSpan.FromSeconds(Setting("CHANNELSDK_FUZZ_SECONDS", 5));
        output.WriteLine($"first seed {seed}");
        var time = Stopwatch.StartNew();
        int rounds = 0, violations = 0;
        long moved = 0;
        for (; time.Elapsed < limit; rounds++, seed++)
        {
            var random = new Random(seed);
            var (left, right) = s_orders[random.Next(s_orders.Length)];
            using var bench = new PageBench(left, right, random.Next(2) == 0 ? 0 : (uint)random.NextInt64(1L << 32));
            try
            {
                var (isViolation, bytes) = random.Next(8) == 0 ? RaceRound(bench, random) : Round(bench, random);
                violations += isViolation ? 1 : 0;
                moved += bytes;
                Assert.True(bench.IsIntact, "memory that is not shared was written");
            }
            catch (Exception error) when (error is not ChannelException)
            {
                throw new InvalidOperationException($"round with seed {seed} (CHANNELSDK_FUZZ_SEED) failed: {error.Message}", error);
            }
        }

        output.WriteLine($"{rounds} rounds, {violations} ended by a violation, {moved} bytes moved");
        Assert.True(violations > 0 && moved > 0, "the fuzz reached nothing");
    }

    /// <summary>Changes between the calls.</summary>
    private static (bool IsViolation, int Moved) Round(PageBench bench, Random random)
    {
        var end = random.Next(2) == 0 ? bench.Server : bench.Client;
        bench.Client.TryClaim();
        var buffer = new byte[20_000];
        var moved = 0;
        for (var step = random.Next(1, 200); step > 0; step--)
        {
            Scribble(bench, random);
            try
            {
                var part = buffer.AsSpan(0, random.Next(1, buffer.Length));
                var count = random.Next(2) == 0 ? end.Receive(part, out _) : end.Send(part, out _);
                Assert.InRange(count, VchanEnd.Wait, part.Length);
                moved += Math.Max(count, 0);
            }
            catch (ChannelException)
            {
                return (true, moved);
            }
        }

        return (false, moved);
    }

    /// <summary>Changes during the calls, from another thread.</summary>
    private static (bool IsViolation, int Moved) RaceRound(PageBench bench, Random random)
    {
        bench.Client.TryClaim();
        using var stop = new CancellationTokenSource();
        var seed = random.Next();
        var peer = new Thread(() =>
        {
            var own = new Random(seed);
            while (!stop.IsCancellationRequested)
            {
                Scribble(bench, own);
            }
        });
        peer.Start();
        var buffer = new byte[20_000];
        var moved = 0;
        var isViolation = false;
        for (var step = 0; step < 500 && !isViolation; step++)
        {
            try
            {
                moved += Math.Max(bench.Server.Receive(buffer.AsSpan(0, random.Next(1, buffer.Length)), out _), 0);
                moved += Math.Max(bench.Server.Send(buffer.AsSpan(0, random.Next(1, buffer.Length)), out _), 0);
            }
            catch (ChannelException)
            {
                isViolation = true;
            }
        }

        stop.Cancel();
        peer.Join();
        return (isViolation, moved);
    }

    private static void Scribble(PageBench bench, Random random)
    {
        switch (random.Next(6))
        {
            case 0:
                bench.Word(4 * random.Next(4)) = (uint)random.NextInt64(1L << 32);
                break;
            case 1:
                bench.Word(VchanLayout.Flags) = (uint)random.NextInt64(1L << 32);
                break;
            case 2:
                var place = bench.Shared[random.Next(bench.Shared.Length - 64)..];
                random.NextBytes(place[..random.Next(1, 64)]);
                break;
            default:
                // Mostly steps that a ring can take.
                bench.Word(4 * random.Next(4)) += (uint)random.Next(0, 1500);
                bench.Word(VchanLayout.Flags) = 0x0101 | (uint)random.Next(16) << 16;
                break;
        }
    }

    private static int Setting(string name, int byDefault) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : byDefault;
}
