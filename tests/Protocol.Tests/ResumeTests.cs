using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Tests;

/// <summary>Which half resumes which: copies, spliced histories, bytes that only look like a restart.</summary>
public class ResumeTests
{
    private static Wire NewWire(Peer guest, Peer host, long now) => new(guest, host) { Now = now };

    private static Wire Connected(SessionOptions? guest = null, SessionOptions? host = null)
    {
        var wire = new Wire(new Peer(PeerRole.Guest, guest, seed: 1), new Peer(PeerRole.Host, host, seed: 2));
        wire.Connect();
        wire.Run(100_000);
        return wire;
    }

    /// <summary>Hello frames of other links, as a file may hold them.</summary>
    private static byte[] FileOfHellos(int size)
    {
        var other = new Wire(new Peer(PeerRole.Guest, seed: 77), new Peer(PeerRole.Host, seed: 78));
        var recorded = other.ToHost.Record = [];
        other.Connect();
        other.Run();
        var hello = recorded.Take(FrameHeader.Size + Hello.Size).ToArray();
        var file = new byte[size];
        for (var at = 0; at < size; at++)
        {
            file[at] = hello[at % hello.Length];
        }

        return file;
    }

    [Fact]
    public void A_file_of_hello_frames_and_a_pause_in_the_middle_of_a_frame_change_nothing()
    {
        var wire = Connected();
        var file = FileOfHellos(60_000);
        var stream = wire.Guest.Open("file", StreamClass.Bulk);
        wire.Guest.Session.Write(stream, file, DataFlags.Fin);
        wire.ToHost.MaxChunk = 5000;
        for (var i = 0; i < 4; i++)
        {
            wire.ToHost.Move(wire.Now);
        }

        // A stopped guest: the rest comes seconds later.
        (wire.ToHost.MaxChunk, wire.ToHost.Capacity) = (int.MaxValue, 0);
        Assert.InRange(wire.ToHost.InFlight, 10_000, 30_000);
        for (var i = 0; i < 30; i++)
        {
            wire.Now += 100_000;
            wire.Host.Session.Tick(wire.Now);
            wire.ToHost.Move(wire.Now);
            wire.ToGuest.Move(wire.Now);
        }

        wire.ToHost.Capacity = 256 << 10;
        wire.Run(5_000_000);
        Assert.Equal(file, Assert.Single(wire.Host.Messages["file"]));
        Assert.Equal(["established"], wire.Host.Events);
        Assert.Equal(["established"], wire.Guest.Events);
    }

    [Fact]
    public void A_hello_of_a_third_link_on_an_established_one_costs_no_session()
    {
        var wire = Connected();
        wire.ToHost.Inject(FileOfHellos(FrameHeader.Size + Hello.Size));
        wire.Run(5_000_000);
        Assert.Equal((0, 0), (wire.Host.Lost, wire.Guest.Lost));
        Assert.True(wire.Host.Session.IsEstablished);
        wire.Guest.Session.Write(wire.Guest.Open("after"), Peer.Number(1), DataFlags.Fin);
        wire.Run(1_000_000);
        Assert.Single(wire.Host.Messages["after"]);
    }

    [Fact]
    public void A_restored_copy_whose_original_went_on_over_its_old_link_does_not_join_two_histories()
    {
        var (original, copy) = Twins(out var host, out var now);
        // The original goes on; then its copy, which wrote something else of the same count of frames, comes to the host.
        original.Guest.Session.Write(original.Guest.Open("file"), Peer.Number(1, 500), DataFlags.None);
        original.Run(1_000_000);
        copy.Guest.Session.Write(copy.Guest.Open("file"), Peer.Number(2, 500), DataFlags.None);
        copy.Run(1_000_000);
        original.Cut();
        copy.Cut();
        var restored = NewWire(copy.Guest, host, now + 2_000_000);
        restored.Connect();
        restored.Run(1_000_000);
        Assert.Equal(0, host.Resumed);
        Assert.Equal(1, host.Lost);
        Assert.Equal(1, copy.Guest.Lost);
        Assert.True(host.Session.IsEstablished, string.Join(", ", host.Events));
    }

    [Fact]
    public void A_restored_copy_of_an_original_that_went_no_further_resumes()
    {
        var (original, copy) = Twins(out var host, out var now);
        original.Cut();
        copy.Cut();
        var restored = NewWire(copy.Guest, host, now + 2_000_000);
        restored.Connect();
        restored.Run(1_000_000);
        Assert.Equal((1, 0), (host.Resumed, host.Lost));
    }

    [Fact]
    public void A_copy_of_before_the_pairing_begins_a_new_session()
    {
        var host = new Peer(PeerRole.Host, seed: 2);
        var wire = new Wire(new Peer(PeerRole.Guest, seed: 1), host);
        wire.Connect();
        wire.Run(100_000);
        wire.Guest.Session.Write(wire.Guest.Open("one"), Peer.Number(1), DataFlags.None);
        wire.Run(1_000_000);
        wire.Cut();

        // Same seed: the same half, of before its first handshake, on its second link.
        var copy = new Peer(PeerRole.Guest, seed: 1);
        copy.Session.LinkUp(wire.Now);
        copy.Session.LinkDown(ChannelError.LinkLost, "", wire.Now);
        copy.Session.Write(copy.Open("two"), Peer.Number(2), DataFlags.None);
        var restored = NewWire(copy, host, wire.Now);
        restored.Connect();
        restored.Run(1_000_000);
        Assert.Equal(Peer.Number(2), Assert.Single(host.Messages["two"]));
        Assert.Equal((0, 1), (host.Resumed, host.Lost));
        Assert.True(host.Session.IsEstablished);
        Assert.Equal(copy.Session.SessionId, host.Session.SessionId);
    }

    [Fact]
    public void A_peer_that_was_paired_and_says_that_it_never_was_has_another_half()
    {
        var wire = Connected();
        wire.Cut();
        var hello = HelloOf(wire.Guest, wire.Now) with { PeerNonce = 0, NextExpected = 0, Chain = 0 };
        Assert.Equal(1, Present(wire.Host, hello, wire.Now).Lost);
    }

    [Fact]
    public void A_peer_that_comes_back_with_a_smaller_largest_frame_has_another_half()
    {
        var wire = Connected();
        wire.Cut();
        var hello = HelloOf(wire.Guest, wire.Now) with { MaxFrame = 1024 };
        Assert.Equal(1, Present(wire.Host, hello, wire.Now).Lost);
    }

    [Fact]
    public void A_peer_without_the_capabilities_of_version_1_is_told_so()
    {
        var host = new Peer(PeerRole.Host, seed: 2);
        var hello = HelloOf(new Peer(PeerRole.Guest, seed: 1), 1) with { Capabilities = 0 };
        Assert.Equal(ChannelError.Unsupported, Present(host, hello, 1).Session.Fault?.Code);
    }

    [Fact]
    public void A_hello_of_a_later_version_is_answered_with_the_version_before_other_fields_are_checked()
    {
        var host = new Peer(PeerRole.Host, seed: 2);
        var hello = HelloOf(new Peer(PeerRole.Guest, seed: 1), 1) with { MinVersion = 2, MaxVersion = 2, MaxFrame = 1 << 24, HeartbeatInterval = 0 };
        Assert.Equal(ChannelError.VersionMismatch, Present(host, hello, 1).Session.Fault?.Code);
    }

    private static (Wire Original, Wire Copy) Twins(out Peer host, out long now)
    {
        host = new Peer(PeerRole.Host, seed: 2);
        var original = new Wire(new Peer(PeerRole.Guest, seed: 1), host);
        // The same seeds and the same history: what a copy of the guest's memory is.
        var copy = new Wire(new Peer(PeerRole.Guest, seed: 1), new Peer(PeerRole.Host, seed: 2));
        foreach (var wire in new[] { original, copy })
        {
            wire.Connect();
            wire.Run(100_000);
        }

        now = original.Now;
        return (original, copy);
    }

    /// <summary>What the peer would say on a new link.</summary>
    private static Hello HelloOf(Peer peer, long now)
    {
        peer.Session.LinkUp(now);
        var output = peer.Session.GetOutput(now);
        return Hello.Read(output.Span[FrameHeader.Size..]);
    }

    private static Peer Present(Peer host, Hello hello, long now)
    {
        host.Session.LinkUp(now);
        hello.Echo = Hello.Read(host.Session.GetOutput(now).Span[FrameHeader.Size..]).Epoch;
        var payload = new byte[Hello.Size];
        hello.Write(payload);
        var frame = new byte[FrameHeader.Size + Hello.Size];
        FrameHeader.WriteFrame(frame, FrameType.Hello, DataFlags.None, 0, Hello.MarkerSequence, payload);
        host.Session.Receive(frame, now);
        return host;
    }
}
