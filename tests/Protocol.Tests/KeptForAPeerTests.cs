using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

[CollectionDefinition(nameof(KeptForAPeerTests), DisableParallelization = true)]
public sealed class KeptForAPeerCollection;

/// <summary>
/// A peer repeats what it may send, and each mistake that is answered, and never acknowledges and never reads. What is kept
/// for it stays within one bound. With CHANNELSDK_LONG=1 (./test --long) each ten million times.
/// </summary>
[Collection(nameof(KeptForAPeerTests))]
public sealed class KeptForAPeerTests : IRpcHandler, ISessionEvents
{
    private static readonly int s_times = Environment.GetEnvironmentVariable("CHANNELSDK_LONG") == "1" ? 10_000_000 : 100_000;
    private readonly RpcPeer _host;
    private readonly RawGuest _guest;
    private readonly HashSet<ChannelError> _faults = [];
    private ulong _nonce;

    public KeptForAPeerTests()
    {
        _host = new RpcPeer(PeerRole.Host, new SessionOptions { TotalLimit = null }, 1 << 16, 1 << 20, this, this, () => ++_nonce * 0x9E3779B97F4A7C15);
        _guest = new RawGuest(_host.Session);
        _guest.Connect();
    }

    private static ReadOnlySpan<byte> Known => [0, 1, 0, 0, 0, 0, 0, 0, (byte)'k'];

    private static ReadOnlySpan<byte> Unknown => [0, 1, 0, 0, 0, 0, 0, 0, (byte)'u'];

    private static uint Id(int i, StreamClass of = StreamClass.Rpc) => (uint)(i + 1) << 3 | (uint)of << 1;

    private void Open(int i, ReadOnlySpan<byte> header, StreamClass of = StreamClass.Rpc, DataFlags flags = DataFlags.None) =>
        _guest.Send(FrameType.Open, Id(i, of), header, flags);

    private void Reset(int i, StreamClass of = StreamClass.Rpc) => _guest.Send(FrameType.Reset, Id(i, of), [48, 1]);

    public static TheoryData<string> Kinds() =>
    [
        "open: no call", "open: with its end", "open: unknown method", "open: bulk, too many", "open and reset", "open: unknown method, and reset",
        "two requests", "a status as request", "a message too large", "credit earned, and reset", "data of an ended stream", "data of a message without end, and reset",
        "credit: session", "credit: ended stream", "ack", "heartbeat", "hello again", "hello of a new link", "seen before",
    ];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_peer_that_never_acknowledges_makes_no_memory_grow(string kind)
    {
        var large = new byte[5000];
        var heartbeat = new byte[HeartbeatCodec.Size];
        Run(kind, 0, 2000, large, heartbeat);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        Run(kind, 2000, s_times, large, heartbeat);
        var after = GC.GetTotalMemory(forceFullCollection: true);
        // The replay log's bytes, and what pools round up to.
        Assert.InRange(after - before, long.MinValue, 4 << 20);
        Assert.InRange(_host.Session.HeldBytes, 0, 1 << 20);
        Assert.All(_faults, fault => Assert.Equal(ChannelError.ResourceExhausted, fault));
    }

    [Fact]
    public void A_peer_that_leaves_answers_unacknowledged_loses_its_link_and_then_its_session()
    {
        var opened = 0;
        for (; _host.Session.Fault is null && opened < 100_000; opened++)
        {
            Open(opened, []);
        }

        Assert.Equal(ChannelError.ResourceExhausted, _host.Session.Fault?.Code);
        Assert.InRange(_host.Session.HeldBytes, 100_000, (1 << 20) / 8);
        Assert.Equal(0, Lost);
        _guest.Connect();
        Assert.Null(_host.Session.Fault);
        Open(opened, []);
        Assert.Equal(ChannelError.ResourceExhausted, _host.Session.Fault?.Code);
        Assert.Equal(1, Lost);
        Assert.Equal(0, _host.Session.HeldBytes);
    }

    private int Lost { get; set; }

    private void Run(string kind, int from, int to, byte[] large, byte[] heartbeat)
    {
        for (var i = from; i < to; i++)
        {
            _guest.Now += 100;
            if (_host.Session.Fault is { } fault)
            {
                _faults.Add(fault.Code);
                _guest.Connect();
            }

            Once(kind, i, large, heartbeat);
        }
    }

    private void Once(string kind, int i, byte[] large, byte[] heartbeat)
    {
        switch (kind)
        {
            case "open: no call": Open(i, []); break;
            case "open: with its end": Open(i, Known, flags: DataFlags.Fin); break;
            case "open: unknown method": Open(i, Unknown); break;
            case "open: bulk, too many": Open(i, Known, StreamClass.Bulk); break;
            case "open and reset": Open(i, Known); Reset(i); break;
            case "open: unknown method, and reset": Open(i, Unknown); Reset(i); break;
            case "two requests": Open(i, Known); Data(i, "x"u8); break;
            case "a status as request": Open(i, Known); Data(i, "x"u8, DataFlags.Trailer | DataFlags.Fin); break;
            case "a message too large": Open(i, Known, StreamClass.Control); TooLarge(i, large); break;
            case "credit earned, and reset": Open(i, Unknown, StreamClass.Control); Data(i, large, DataFlags.None, StreamClass.Control); Reset(i, StreamClass.Control); break;
            case "data of an ended stream": Open(i, Known, StreamClass.Control); Reset(i, StreamClass.Control); Data(i, large, DataFlags.None, StreamClass.Control); break;
            case "data of a message without end, and reset": Open(i, Known, StreamClass.Control); Data(i, large, DataFlags.More, StreamClass.Control); Reset(i, StreamClass.Control); break;
            case "credit: session": _guest.SendLimit(0, (1 << 30) + i); break;
            case "credit: ended stream": Open(i, Known); Reset(i); _guest.SendLimit(Id(i), (1 << 30) + i); break;
            case "ack": _guest.Send(FrameType.Ack, 0, []); break;
            case "heartbeat": Heartbeat(i, heartbeat); break;
            case "hello again": _guest.SendHello(1, 0, 0); break;
            case "hello of a new link": _guest.SendHello((uint)i + 2, 0, 0); break;
            case "seen before": _guest.Send(FrameType.Open, Id(i), Known, sequence: uint.MaxValue - (uint)(i & 0xFF)); break;
            default: Assert.Fail(kind); break;
        }
    }

    private void Data(int i, ReadOnlySpan<byte> data, DataFlags flags = DataFlags.None, StreamClass of = StreamClass.Rpc)
    {
        if (_host.Session.Fault is null)
        {
            _guest.Send(FrameType.Data, Id(i, of), data, flags);
        }
    }

    private void TooLarge(int i, byte[] large)
    {
        Data(i, large, DataFlags.More, StreamClass.Control);
        Data(i, large, DataFlags.More, StreamClass.Control);
        Reset(i, StreamClass.Control);
    }

    private void Heartbeat(int i, byte[] heartbeat)
    {
        HeartbeatCodec.Write(heartbeat, StateWord.Ready, null, (ushort)i, i, 0);
        _guest.Send(FrameType.Heartbeat, 0, heartbeat);
    }

    bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader) => untrustedHeader.Method is [(byte)'k'];

    void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage)
    {
    }

    void IRpcHandler.OnReadable(RpcCall call)
    {
    }

    void IRpcHandler.OnWritable(RpcCall call)
    {
    }

    void IRpcHandler.OnFailed(RpcCall call)
    {
    }

    void ISessionEvents.OnEstablished(bool resumed)
    {
    }

    void ISessionEvents.OnLinkLost(ChannelError error, string text)
    {
    }

    void ISessionEvents.OnSessionLost(ChannelError error, string text) => Lost++;

    void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat)
    {
    }
}
