using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Vsock.Packets;
using Xunit;
using Xunit.Abstractions;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>
/// Random guests and front-ends against the device. CHANNELSDK_FUZZ_SECONDS sets how long (5 by default),
/// CHANNELSDK_FUZZ_SEED with which seed to begin; every round prints its own on failure.
/// </summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class DeviceFuzzTests(ITestOutputHelper output)
{
    private const long MaxManagedBytes = 128 << 20;

    [Fact]
    public async Task Whatever_a_guest_writes_the_device_serves_the_next_one()
    {
        var seed = Setting("CHANNELSDK_FUZZ_SEED", Environment.TickCount);
        var time = Stopwatch.StartNew();
        var limit = TimeSpan.FromSeconds(Setting("CHANNELSDK_FUZZ_SECONDS", 5));
        output.WriteLine($"first seed {seed}");
        await using var bench = new DeviceBench(maxConnections: 16);
        using var stop = new CancellationTokenSource();
        var echo = EchoAsync(bench.Listener, stop.Token);
        var rounds = 0;
        for (; time.Elapsed < limit; rounds++, seed++)
        {
            try
            {
                using var guest = new GuestDouble(bench.Path);
                Attack(guest, new Random(seed));
                // Negative while a collection runs.
                Assert.True(GC.GetTotalMemory(false) < MaxManagedBytes, "the device holds too much memory");
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"round with seed {seed} (CHANNELSDK_FUZZ_SEED) failed: {error.Message}", error);
            }
        }

        await stop.CancelAsync();
        await echo.Within();
        output.WriteLine($"{rounds} rounds, {bench.Device.Status}");
        // A front-end that has gone may still be told of.
        await bench.DrainFaultsAsync();
        await bench.AssertServes();
    }

    /// <summary>Sends mostly valid packets, and now and then something else, until the device has had enough.</summary>
    private static void Attack(GuestDouble guest, Random random)
    {
        var steps = random.Next(1, 200);
        for (var step = 0; step < steps; step++)
        {
            switch (random.Next(12))
            {
                case 0:
                    Scribble(guest, random, 0, 2 * RingDouble.Room);
                    break;
                case 1:
                    guest.Transmit.AvailableIndex += (ushort)random.Next(0, 200);
                    break;
                case 2:
                    Describe(guest.Transmit, random);
                    guest.Transmit.Offer((ushort)random.Next(GuestDouble.RingSize + 2));
                    break;
                case 3:
                    Describe(guest.Receive, random);
                    guest.Receive.Offer((ushort)random.Next(GuestDouble.RingSize));
                    break;
                case 4:
                    Message(guest.FrontEnd, random);
                    break;
                default:
                    Packet(guest, random);
                    break;
            }

            GuestDouble.Signal(random.Next(4) == 0 ? guest.ReceiveKick : guest.TransmitKick);
        }
    }

    private static void Packet(GuestDouble guest, Random random)
    {
        guest.Reclaim();
        while (guest.TryPeekSafely())
        {
            guest.Take();
        }

        if (guest.Room().IsEmpty)
        {
            return;
        }

        var length = random.Next(3) == 0 ? random.Next(4000) : 0;
        var header = DeviceBench.Header((VsockOperation)random.Next(1, 8), (uint)random.Next(1, 20), length) with
        {
            BufferAllocation = random.Next(4) == 0 ? (uint)random.NextInt64(1L << 32) : 100_000,
            ForwardCount = random.Next(4) == 0 ? (uint)random.NextInt64(1L << 32) : 0,
            Flags = (VsockShutdown)random.Next(4),
        };
        switch (random.Next(30))
        {
            case 0:
                header.Length = (uint)random.NextInt64(1L << 32);
                break;
            case 1:
                header.Type = (ushort)random.Next(65536);
                break;
            case 2:
                header.Operation = (VsockOperation)random.Next(65536);
                break;
            case 3:
                header.SourceCid = (ulong)random.NextInt64();
                break;
            case 4:
                header.DestinationPort = (uint)random.Next();
                break;
            default:
                break;
        }

        guest.Send(header, length);
    }

    private static void Describe(RingDouble ring, Random random)
    {
        var address = random.Next(3) switch
        {
            0 => (ulong)random.NextInt64(),
            1 => GuestRam.GuestBase - 100 + (ulong)random.Next(200),
            _ => GuestRam.GuestBase + (ulong)random.Next(1 << 23),
        };
        var length = random.Next(3) == 0 ? (uint)random.NextInt64(1L << 32) : (uint)random.Next(5000);
        ring.Describe((uint)random.Next(GuestDouble.RingSize), address, length, (ushort)random.Next(8), (ushort)random.Next(GuestDouble.RingSize + 4));
    }

    private static void Scribble(GuestDouble guest, Random random, int from, int length)
    {
        var size = random.Next(1, 64);
        random.NextBytes(guest.Ram.At(from + random.Next(length - size), size));
    }

    private static void Message(FrontEndDouble frontEnd, Random random)
    {
        var payload = new byte[8 * random.Next(6)];
        random.NextBytes(payload);
        if (payload.Length > 0 && random.Next(2) == 0)
        {
            payload.AsSpan(0, 8).Clear();
            payload[0] = (byte)random.Next(2);
        }

        frontEnd.Send((uint)random.Next(30), random.Next(5) == 0 ? (uint)random.Next(16) : 1, (uint)payload.Length, payload, default);
    }

    private static async Task EchoAsync(ITransportEndpoint listener, CancellationToken cancellationToken)
    {
        var echoes = new List<Task>();
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var link = await listener.OpenAsync(cancellationToken);
                echoes.Add(EchoAsync(link));
                echoes.RemoveAll(echo => echo.IsCompletedSuccessfully);
            }
            catch (ChannelException)
            {
                // A fault, told.
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }

        await Task.WhenAll(echoes);
    }

    private static async Task EchoAsync(ITransportLink link)
    {
        await using var owned = link;
        var buffer = new byte[4096];
        try
        {
            for (int count; (count = await link.ReceiveAsync(buffer)) > 0;)
            {
                for (var sent = 0; sent < count;)
                {
                    sent += await link.SendAsync(buffer.AsMemory(sent, count - sent));
                }
            }
        }
        catch (ChannelException error) when (error.Code == ChannelError.LinkLost)
        {
            // As a link may end.
        }
    }

    private static int Setting(string name, int byDefault) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : byDefault;
}
