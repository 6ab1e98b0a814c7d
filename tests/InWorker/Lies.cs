using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.InWorker;

/// <summary>What a worker that was taken over tells its supervisor: each field of a record, each position, each socket. Numbers of kinds are docs/SEAM.md's.</summary>
internal static unsafe class Lies
{
    private const byte Begin = 1;
    private const byte Message = 2;
    private const byte Incoming = 32;
    private const byte Taken = 33;
    private const byte Ended = 34;
    private const byte Failed = 35;
    private const byte Established = 38;
    private const byte LinkLost = 39;
    private const byte SessionLost = 40;
    private const byte Heartbeat = 41;
    private const byte EndpointFailed = 42;
    private const byte Fault = 43;
    private const byte Skip = 255;
    private const byte Fin = 0x10;
    private const uint OfGuest = 0x8000_0000;

    private static readonly byte[] s_hold = "test.Hold"u8.ToArray();

    /// <summary>Each by its name.</summary>
    private static readonly Dictionary<string, Action<TakenOver>> s_all = new()
    {
        ["position-beyond"] = static w => w.Seam.Show(w.Seam.Written + (ulong)w.Seam.Capacity + RawSeam.RecordBytes),
        ["position-back"] = static w =>
        {
            Until(() => w.Seam.Tail == w.Seam.Written);
            w.Seam.Show(w.Seam.Written - RawSeam.RecordBytes);
        },
        ["position-uneven"] = static w => w.Seam.Show(w.Seam.Written + 3),
        ["read-beyond"] = static w =>
        {
            w.Seam.Next();
            w.Seam.OwnTail += 1 << 20;
            w.Seam.Ring();
        },
        ["read-back"] = static w =>
        {
            w.Seam.Next(Begin, isStream: false);
            Until(() => w.Seam.OwnTail > 0);
            w.Seam.Next(Begin, isStream: false);
            w.Seam.OwnTail = 0;
            w.Seam.Ring();
        },
        ["kind"] = static w => w.Seam.Say(new RawRecord { Kind = 200 }),
        ["kind-of-supervisor"] = static w => w.Seam.Say(new RawRecord { Kind = Begin, Call = 1, Extra = 1 }, "x"u8),
        ["length"] = static w => Show(w, new RawRecord { Kind = Message, Call = 1, Length = int.MaxValue }),
        ["length-below-zero"] = static w => Show(w, new RawRecord { Kind = Message, Call = 1, Length = -64 }),
        ["gap"] = static w => Show(w, new RawRecord { Kind = Skip }),
        ["name-length"] = static w => w.Seam.Say(Call(1) with { Extra = 100 }, s_hold),
        ["name-length-below-zero"] = static w => w.Seam.Say(Call(1) with { Extra = -1 }, s_hold),
        ["name-text"] = static w => w.Seam.Say(Call(1) with { Extra = 4 }, "a\u0007\u001b["u8),
        ["class-of-stream"] = static w => w.Seam.Say(Call(1) with { Bits = 7 }, s_hold),
        ["deadline"] = static w => w.Seam.Say(Call(1) with { First = -1 }, s_hold),
        ["number-of-supervisor"] = static w => w.Seam.Say(Call(1) with { Call = 1 }, s_hold),
        ["number-in-use"] = static w =>
        {
            w.Seam.Say(Call(1), s_hold);
            w.Seam.Say(Call(1), s_hold);
        },
        ["more-messages"] = static w =>
        {
            var stream = w.Seam.Next(Begin, isStream: true).Call;
            Repeat(_ => w.Seam.Say(new RawRecord { Kind = Message, Call = stream, Second = 1 }, new byte[60_000]));
        },
        ["two-ends"] = static w =>
        {
            var stream = w.Seam.Next(Begin, isStream: true).Call;
            w.Seam.Say(new RawRecord { Kind = Message, Call = stream, Second = 1 }, [1]);
            w.Seam.Say(new RawRecord { Kind = Ended, Call = stream });
            w.Seam.Say(new RawRecord { Kind = Ended, Call = stream });
        },
        ["reply-that-goes-on"] = static w => w.Seam.Say(new RawRecord { Kind = Message, Call = w.Seam.Next(Begin, isStream: false).Call }),
        ["taken"] = static w => w.Seam.Say(new RawRecord { Kind = Taken, Call = w.Seam.Next(Begin, isStream: true).Call, Extra = 1 << 20 }),
        ["taken-below-zero"] = static w => w.Seam.Say(new RawRecord { Kind = Taken, Call = w.Seam.Next(Begin, isStream: true).Call, Extra = -1 }),
        ["message-length"] = static w =>
            w.Seam.Say(new RawRecord { Kind = Message, Call = w.Seam.Next(Begin, isStream: false).Call, Bits = Fin }, new byte[(1 << 20) + 64]),
        ["class-of-error"] = static w => w.Seam.Say(new RawRecord { Kind = Failed, Call = w.Seam.Next(Begin, isStream: false).Call, Bits = 15 }),
        ["text-length"] = static w => w.Seam.Say(new RawRecord { Kind = LinkLost }, new byte[5000]),
        ["state"] = static w => w.Seam.Say(new RawRecord { Kind = Heartbeat, Bits = 15 }),
        ["time"] = static w => w.Seam.Say(new RawRecord { Kind = Heartbeat, First = long.MaxValue, Second = -1 }),
        ["round-trip"] = static w => w.Seam.Say(new RawRecord { Kind = Heartbeat, Second = long.MaxValue }),
        ["files-on-control"] = static w => Repeat(_ => FileMessage.Send(w.Control, [1], w.Guest)),
        ["files-on-bell"] = static w => Repeat(_ => FileMessage.Send(w.BellSocket, [1], w.Guest)),
        ["silence"] = static _ => Repeat(static _ => Thread.SpinWait(1000)),
        ["end"] = static _ => Environment.Exit(0),
        ["memory"] = static _ => Grow(),

        // What a guest may say, and more often than it may: the supervisor goes on, and so do all others.
        ["replies"] = static w => Repeat(_ => w.Seam.Say(new RawRecord { Kind = Message, Call = w.Seam.Next(Begin, isStream: false).Call, Bits = Fin }, Rubbish())),
        ["replies-twice"] = static w => Repeat(_ =>
        {
            var reply = new RawRecord { Kind = Message, Call = w.Seam.Next(Begin, isStream: false).Call, Bits = Fin };
            w.Seam.Say(reply);
            w.Seam.Say(reply);
        }),
        ["figures"] = static w => Repeat(i =>
        {
            w.Seam.Figures.Fill(i % 2 == 0 ? long.MaxValue : long.MinValue);
            Thread.Sleep(1);
        }),
        ["changes"] = static w => Repeat(i =>
        {
            // A record that is another one whenever it is looked at.
            w.Seam.Write(Call(i) with { Length = s_hold.Length }, s_hold);
            var place = (int)((w.Seam.Written - 2 * RawSeam.RecordBytes) % (ulong)w.Seam.Capacity);
            w.Seam.Show();
            for (var n = 0; n < 1000; n++)
            {
                w.Seam.Records.Slice(place + n % 128, 1)[0] ^= (byte)n;
            }
        }),
        ["answers-that-are-not-read"] = static w => Repeat(i => Batch(w, i, Call(i) with { Length = s_hold.Length }, s_hold)),
        ["calls-without-end"] = static w => Repeat(i =>
        {
            Batch(w, i, Call(i) with { Length = 7, Extra = 7 }, "no.Such"u8);
            if (i % 100 == 0)
            {
                w.Seam.ReadAll();
            }
        }),
        ["heartbeats-without-end"] = static w => Repeat(i => Batch(w, i, new RawRecord { Kind = Heartbeat, Bits = 2, Code = (ushort)i, Second = -1 }, default)),
        ["links-without-end"] = static w => Repeat(i => Batch(w, i, new RawRecord { Kind = i % 2 == 0 ? LinkLost : Established, Id = 1, Length = 0 }, default)),
        ["sessions-without-end"] = static w => Repeat(i => Batch(w, i, new RawRecord { Kind = i % 2 == 0 ? SessionLost : Established, Id = (UInt128)i, Length = 0 }, default)),
        ["failures-without-end"] = static w => Repeat(i => Batch(w, i, new RawRecord { Kind = EndpointFailed, Code = 1, Length = 4 }, Text(i))),
        ["faults-without-end"] = static w => Repeat(i => Batch(w, i, new RawRecord { Kind = Fault, Length = 4 }, Text(i))),
        ["rings-without-end"] = static w => Repeat(_ => w.Seam.Ring()),
        ["requests-without-end"] = static w => Repeat(_ => TakenOver.Ask(w.Control)?.Dispose()),
    };

    /// <summary>The lie of a name; null: there is none.</summary>
    public static Action<TakenOver>? Find(string name) => s_all.GetValueOrDefault(name);

    private static RawRecord Call(long number) => new() { Kind = Incoming, Call = OfGuest + (uint)(number % 0x7000_0000), Extra = s_hold.Length, Bits = 1 };

    /// <summary>One record whose length is a lie, and room for one.</summary>
    private static void Show(TakenOver worker, in RawRecord record)
    {
        worker.Seam.Write(record);
        worker.Seam.Show();
    }

    /// <summary>Shown by the hundred, so that the supervisor has as many as it can take.</summary>
    private static void Batch(TakenOver worker, long number, in RawRecord record, ReadOnlySpan<byte> data)
    {
        worker.Seam.Write(record, data);
        if (number % 100 == 0)
        {
            worker.Seam.Show();
        }
    }

    private static void Repeat(Action<long> lie)
    {
        for (long i = 0; ; i++)
        {
            lie(i);
        }
    }

    private static void Until(Func<bool> isSo)
    {
        while (!isSo())
        {
            Thread.Sleep(1);
        }
    }

    private static byte[] Text(long number) => [(byte)('a' + number % 26), (byte)('a' + number / 26 % 26), (byte)('a' + number / 676 % 26), (byte)'\u001b'];

    private static byte[] Rubbish()
    {
        var bytes = new byte[Random.Shared.Next(2000)];
        Random.Shared.NextBytes(bytes);
        return bytes;
    }

    private static void Grow()
    {
        const int step = 1 << 20;
        using var none = new SafeFd();
        while (true)
        {
            var memory = SystemCalls.Mmap(null, step, Abi.PROT_READ_WRITE, Abi.MAP_PRIVATE_ANONYMOUS, none, 0);
            if ((nint)memory == -1)
            {
                Environment.Exit(1);
            }

            new Span<byte>(memory, step).Fill(1);
        }
    }
}
