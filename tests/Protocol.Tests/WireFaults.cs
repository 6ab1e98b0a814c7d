using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Tests;

/// <summary>The faults of a link that random schedules have in common, and the options that they run with.</summary>
internal sealed class WireFaults(Random random)
{
    /// <summary>How many kinds there are.</summary>
    public const int Kinds = 8;

    private static readonly int[] s_windows = [1024, 1047, 1048, 2048, 4096, 8192];

    /// <summary>Bounds that are small enough to be met, windows of less than a frame among them.</summary>
    public SessionOptions NewOptions(int rpcStreams) => new()
    {
        MaxFrame = random.Next(2) == 0 ? 1024 : 4096,
        ReplayBytes = 128 << 10,
        StreamWindow = new(NextWindow(), NextWindow(), NextWindow()),
        MaxStreams = new(4, rpcStreams, 4),
        SessionWindow = 65536,
        AckBytes = random.Next(1, 8192),
        OutputBatch = random.Next(1024, 16384),
    };

    /// <summary>Does one fault of a random direction, and may bring a new link.</summary>
    public void Next<TEnd>(Wire<TEnd> wire, int kind)
        where TEnd : IWireEnd
    {
        var direction = random.Next(2) == 0 ? wire.ToHost : wire.ToGuest;
        switch (kind)
        {
            case 0:
                direction.CutAt = direction.Total + random.Next(1, 5000);
                break;
            case 1:
                direction.Stalled = !direction.Stalled;
                break;
            case 2:
                direction.MaxChunk = random.Next(1, 64);
                break;
            case 3:
                direction.Tamper = NewBitFlip();
                break;
            case 4 when wire.IsUp:
                // One side reconnects while the other's byte stream goes on, as a virtio port allows.
                var side = random.Next(2) == 0 ? wire.Guest.Session : wire.Host.Session;
                side.LinkDown(ChannelError.LinkLost, "reconnect", wire.Now);
                side.LinkUp(wire.Now);
                break;
            case 5:
                wire.Cut();
                break;
            case 6:
                // Mostly within a frame, and longer than its receiver waits before it searches what it has.
                direction.HoldBehind(random.Next(1, 3000));
                wire.Run(random.Next(200_000, 900_000));
                direction.Release();
                break;
            case 7 when wire.IsUp:
                // Between two sends, so within a frame or before one: what comes next is no frame, and the link fails.
                direction.Inject(NewBytes(isHostile: false));
                break;
        }

        if (!wire.IsUp && random.Next(3) != 0)
        {
            wire.Connect();
            if (random.Next(3) == 0)
            {
                // Stale bytes of a former link come first.
                direction.Inject(NewBytes(isHostile: random.Next(2) == 0));
            }
        }
    }

    /// <summary>Ends what lasts.</summary>
    public static void Calm<TEnd>(Wire<TEnd> wire)
        where TEnd : IWireEnd
    {
        foreach (var direction in new[] { wire.ToHost, wire.ToGuest })
        {
            (direction.Stalled, direction.CutAt, direction.Tamper, direction.MaxChunk) = (false, null, null, int.MaxValue);
        }
    }

    private int NextWindow() => s_windows[random.Next(s_windows.Length)];

    private byte[] NewBytes(bool isHostile)
    {
        var stale = new byte[random.Next(1, 600)];
        random.NextBytes(stale);
        if (isHostile)
        {
            HostileContent.Fill(stale, random.Next(1000));
        }

        return stale;
    }

    private Action<Memory<byte>> NewBitFlip()
    {
        var armed = true;
        return bytes =>
        {
            if (armed)
            {
                armed = false;
                bytes.Span[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            }
        };
    }
}
