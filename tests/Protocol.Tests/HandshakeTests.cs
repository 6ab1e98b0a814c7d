using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Tests;

public class HandshakeTests
{
    private static Wire NewWire(SessionOptions? guest = null, SessionOptions? host = null) =>
        new(new Peer(PeerRole.Guest, guest, seed: 1), new Peer(PeerRole.Host, host, seed: 2));

    [Fact]
    public void Two_sides_agree_on_one_session()
    {
        var wire = NewWire();
        wire.Connect();
        wire.Run();
        Assert.True(wire.Guest.Session.IsEstablished);
        Assert.True(wire.Host.Session.IsEstablished);
        Assert.Equal(wire.Guest.Session.SessionId, wire.Host.Session.SessionId);
        Assert.Equal(["established"], wire.Guest.Events);
        Assert.Equal(["established"], wire.Host.Events);
        Assert.Equal(1, wire.Host.Session.Version);
    }

    [Fact]
    public void Garbage_before_the_hello_is_skipped()
    {
        var wire = NewWire();
        wire.Connect();
        var garbage = new byte[100_000];
        new Random(7).NextBytes(garbage);
        Hello.Marker.CopyTo(garbage.AsSpan(500));
        wire.ToHost.Inject(garbage);
        wire.Run();
        Assert.True(wire.Host.Session.IsEstablished);
    }

    [Fact]
    public void Endless_garbage_ends_the_link_with_a_typed_error()
    {
        var wire = NewWire(host: new SessionOptions { MaxBytesBeforeHello = 64 << 10 });
        wire.Host.Session.LinkUp(wire.Now);
        wire.Host.Session.Receive(new byte[100_000], wire.Now);
        Assert.Equal(ChannelError.NoHello, wire.Host.Session.Fault?.Code);
    }

    [Fact]
    public void Two_guests_on_one_wire_are_told_so()
    {
        var wire = new Wire(new Peer(PeerRole.Guest, seed: 1), new Peer(PeerRole.Guest, seed: 2));
        wire.Connect();
        Assert.True(wire.Run());
        Assert.Equal(0, wire.Guest.Established);
    }

    [Fact]
    public void A_peer_of_a_future_version_gets_a_clear_error()
    {
        var wire = NewWire(guest: new SessionOptions { MinVersion = 2, MaxVersion = 3 });
        wire.Connect();
        LinkFault? fault = null;
        while (fault is null && wire.Step())
        {
            fault = wire.Host.Session.Fault;
        }

        Assert.Equal(ChannelError.VersionMismatch, fault?.Code);
        Assert.Contains("2 to 3", fault?.Text);
    }

    [Fact]
    public void The_lower_version_wins()
    {
        var wire = NewWire(guest: new SessionOptions { MinVersion = 1, MaxVersion = 9 });
        wire.Connect();
        wire.Run();
        Assert.Equal(1, wire.Guest.Session.Version);
        Assert.Equal(1, wire.Host.Session.Version);
    }

    [Fact]
    public void Unanswered_hellos_are_repeated_ever_more_slowly()
    {
        var wire = NewWire();
        wire.Host.Session.LinkUp(wire.Now);
        var sent = 0;
        for (var end = wire.Now + 60_000_000; wire.Now < end; wire.Now = wire.Host.Session.NextDeadline)
        {
            wire.Host.Session.Tick(wire.Now);
            var output = wire.Host.Session.GetOutput(wire.Now);
            sent += output.Length;
            wire.Host.Session.AdvanceOutput(output.Length);
        }

        Assert.InRange(sent / (FrameHeader.Size + Hello.Size), 25, 40);
    }

    [Theory]
    [InlineData(PeerRole.Host, false)]
    [InlineData(PeerRole.Host, true)]
    [InlineData(PeerRole.Guest, false)]
    public void A_link_whose_handshake_does_not_end_is_given_up_after_its_time(PeerRole role, bool saysHello)
    {
        var session = new Peer(role, new SessionOptions { HandshakeTimeout = TimeSpan.FromSeconds(20) }).Session;
        var now = 1_000_000L;
        session.LinkUp(now);
        var raw = new RawGuest(session) { Now = now };
        while (true)
        {
            session.Tick(now);
            if (session.Fault is not null || now > 100_000_000)
            {
                break;
            }

            var output = session.GetOutput(now);
            session.AdvanceOutput(output.Length);
            if (saysHello)
            {
                // Whole and valid, and in answer to no link of this side.
                raw.SendHello(link: 1, echo: 0, peerNonce: 0);
            }

            now = Math.Max(now + 1, Math.Min(now + 1_000_000, session.NextDeadline));
            raw.Now = now;
        }

        Assert.Equal(ChannelError.NoHello, session.Fault?.Code);
        Assert.InRange(now, 20_900_000, 21_100_000);
        Assert.Contains(saysHello ? "did not end the handshake within 20 s" : "no HELLO came within 20 s", session.Fault?.Text);
    }

    [Fact]
    public void A_link_that_went_back_to_the_handshake_has_its_whole_time_again()
    {
        var host = new Peer(PeerRole.Host, new SessionOptions { HandshakeTimeout = TimeSpan.FromSeconds(20) }, seed: 2);
        var wire = new Wire(new Peer(PeerRole.Guest, seed: 1), host);
        wire.Connect();
        wire.Run(30_000_000);
        Assert.True(host.Session.IsEstablished);
        // The guest restarts on the same bytes, and sends nothing else.
        wire.Guest.Session.LinkDown(ChannelError.LinkLost, "", wire.Now);
        wire.Guest.Session.LinkUp(wire.Now);
        wire.ToHost.Move(wire.Now);
        wire.ToGuest.Stalled = true;
        Assert.False(host.Session.IsEstablished);
        Assert.False(wire.Run(19_000_000));
        Assert.True(wire.Run(2_000_000));
        Assert.Equal(0, host.Lost);
    }

    [Fact]
    public void An_agent_that_restarts_begins_a_new_session_and_the_host_is_told()
    {
        var host = new Peer(PeerRole.Host, seed: 2);
        var first = new Wire(new Peer(PeerRole.Guest, seed: 1), host);
        first.Connect();
        first.Run();
        first.Cut();

        var second = new Wire(new Peer(PeerRole.Guest, seed: 3), host) { Now = first.Now };
        second.Connect();
        second.Run();
        Assert.Equal(["established", "link lost: LinkLost", "session lost: SessionLost", "established"], host.Events);
        Assert.Equal(["established"], second.Guest.Events);
        Assert.Equal(second.Guest.Session.SessionId, host.Session.SessionId);
    }

    [Fact]
    public void A_host_that_reconnects_unnoticed_in_mid_frame_is_heard_and_the_session_resumes()
    {
        // Virtio-serial: the guest's byte stream goes on while the host is on a new connection.
        var wire = NewWire();
        wire.Connect();
        wire.Run();
        var stream = wire.Host.Open("bulk", StreamClass.Bulk);
        wire.Host.Session.Write(stream, Peer.Number(1, 60_000), DataFlags.Fin);
        wire.ToGuest.CutAt = wire.ToGuest.Total + 20_000;
        wire.ToGuest.Move(wire.Now);
        wire.ToGuest.CutAt = null;
        wire.Host.Session.LinkDown(ChannelError.LinkLost, "reconnect", wire.Now);
        wire.Host.Session.LinkUp(wire.Now);
        wire.Run(5_000_000);
        Assert.Equal(1, wire.Guest.Resumed);
        Assert.Equal(1, wire.Host.Resumed);
        Assert.Equal(Peer.Number(1, 60_000), Assert.Single(wire.Guest.Messages["bulk"]));
    }

    [Fact]
    public void A_copy_of_a_session_cannot_resume_it_after_the_original_has()
    {
        var host = new Peer(PeerRole.Host, seed: 2);
        var original = new Peer(PeerRole.Guest, seed: 1);
        // The same seed and the same history: what a clone of the guest's memory is.
        var clone = new Peer(PeerRole.Guest, seed: 1);
        var wire = new Wire(original, host);
        wire.Connect();
        wire.Run();
        wire.Cut();
        var shadow = new Wire(clone, new Peer(PeerRole.Host, seed: 2));
        shadow.Connect();
        shadow.Run();
        shadow.Cut();
        Assert.Equal(original.Session.SessionId, clone.Session.SessionId);

        wire.Connect();
        wire.Run();
        Assert.Equal(1, original.Resumed);
        wire.Cut();

        var cloned = new Wire(clone, host) { Now = wire.Now };
        cloned.Connect();
        Assert.True(cloned.Run());
        Assert.Equal(1, clone.Lost);
        Assert.Equal(0, host.Lost);
    }

    [Fact]
    public void A_session_that_is_not_resumed_in_time_is_lost()
    {
        var wire = NewWire();
        wire.Connect();
        wire.Run();
        wire.Host.Session.Write(wire.Host.Open("call"), Peer.Number(1), DataFlags.Fin);
        wire.Run();
        wire.Cut();
        Assert.Equal(wire.Now + 600_000_000, wire.Host.Session.NextDeadline);
        wire.Host.Session.Tick(wire.Now + 600_000_000);
        Assert.Equal(1, wire.Host.Lost);
        Assert.True(Assert.Single(wire.Host.Resets).MayHaveRun);
    }
}
