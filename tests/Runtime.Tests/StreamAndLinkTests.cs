using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.InMemory;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Runtime.Tests;

public class StreamAndLinkTests : ChannelTests
{
    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    [Fact]
    public async Task A_stream_carries_messages_both_ways_until_both_sides_end_it()
    {
        await using var pair = NewPair();
        await using var stream = await pair.Host.OpenStreamAsync(ChannelPair.EchoStream, new Empty(), cancellationToken: ChannelPair.Soon);
        for (var i = 0; i < 500; i++)
        {
            await stream.WriteAsync(ChannelPair.Numbered(i), ChannelPair.Soon);
            using var echo = await stream.ReadAsync(ChannelPair.Soon);
            Assert.Equal(i, BitConverter.ToInt64(echo.Span));
        }

        await stream.CompleteAsync(ChannelPair.Soon);
        using var end = await stream.ReadAsync(ChannelPair.Soon);
        Assert.True(end.IsEnd);
    }

    [Fact]
    public async Task Links_that_are_cut_again_and_again_lose_and_repeat_nothing()
    {
        await using var pair = NewPair();
        await using var stream = await pair.Host.OpenStreamAsync(ChannelPair.Source, new Int64Value { Value = 5000 }, cancellationToken: ChannelPair.Soon);
        var cuts = 0;
        for (long i = 0; i < 5000; i++)
        {
            using var message = await stream.ReadAsync(ChannelPair.Soon);
            Assert.False(message.IsEnd);
            Assert.Equal(i, BitConverter.ToInt64(message.Span));
            if (i % 500 == 250)
            {
                cuts++;
                pair.Host.DropLink("test");
            }
        }

        using var end = await stream.ReadAsync(ChannelPair.Soon);
        Assert.True(end.IsEnd);
        Assert.True(pair.Host.Status.Resumes >= cuts - 1, $"{pair.Host.Status.Resumes} resumes for {cuts} cuts");
    }

    [Fact]
    public async Task A_stream_of_a_method_that_is_not_there_fails_as_unknown()
    {
        await using var pair = NewPair();
        await using var stream = await pair.Guest.OpenStreamAsync(new StreamMethod<Empty>("none.Here", StreamClass.Bulk), new Empty(), cancellationToken: ChannelPair.Soon);
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await stream.ReadAsync(ChannelPair.Soon));
        Assert.Equal(ChannelError.UnknownMethod, error.Code);
    }

    [Fact]
    public async Task A_reader_that_waits_stops_its_writer_and_holds_no_more_than_its_window()
    {
        await using var pair = NewPair();
        await using var source = await pair.Host.OpenStreamAsync(ChannelPair.Source, new Int64Value { Value = 100_000 }, cancellationToken: ChannelPair.Soon);
        using var first = await source.ReadAsync(ChannelPair.Soon);
        // A writer that nothing stops sends more than that in a tenth of this time.
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < TimeSpan.FromSeconds(1);)
        {
            await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
            Assert.InRange(pair.Host.Status.BytesIn, 1, 3 << 20);
            await Task.Delay(20, ChannelPair.Soon);
        }
    }

    [Theory]
    [InlineData("unix-listen://{0}/socket", "unix://{0}/socket")]
    [InlineData("tcp-listen://127.0.0.1:{1}", "tcp://127.0.0.1:{1}")]
    public async Task A_peer_that_sends_all_the_time_hears_that_the_session_has_ended(string guest, string host)
    {
        for (var i = 0; i < 30; i++)
        {
            var folder = Directory.CreateTempSubdirectory("channel-");
            var port = FreePort();
            var time = new PatientClock();
            await using var pair = NewPair(
                TransportEndpoints.Create(string.Format(null, guest, folder.FullName, port)),
                TransportEndpoints.Create(string.Format(null, host, folder.FullName, port)), hostTime: time);
            await pair.Host.WaitReadyAsync(ChannelPair.Soon);
            await using var stream = await pair.Host.OpenStreamAsync(ChannelPair.EchoStream, new Empty(), cancellationToken: ChannelPair.Soon);
            var hang = pair.Host.CallAsync(ChannelPair.Hang, new Empty(), cancellationToken: ChannelPair.Soon).AsTask();
            await pair.HangStarted.Task.WaitAsync(ChannelPair.Soon);
            for (var n = 0; n < 20; n++)
            {
                await stream.WriteAsync(ChannelPair.Numbered(n), ChannelPair.Soon);
            }

            // The end has 100 ms to be heard, which a peer that waits for a processor can miss; that it is heard is what counts here.
            time.IsPatient = true;
            await pair.Host.DisposeAsync();
            // A lost link alone would keep the session, and the call, for the resume.
            await pair.HangCancelled.Task.WaitAsync(ChannelPair.Soon);
            await Assert.ThrowsAsync<ChannelException>(() => hang);
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_link_that_comes_up_while_its_channel_is_disposed_of_is_closed()
    {
        await using var memory = new InMemoryPair();
        var late = new Late(memory.Host);
        var channel = new Channel(PeerRole.Host, late, new ServiceRegistry());
        var peer = memory.Guest.OpenAsync(ChannelPair.Soon);
        channel.Start();
        await late.Opening.Task.WaitAsync(ChannelPair.Soon);
        var disposed = channel.DisposeAsync().AsTask();
        late.Release.SetResult();
        await disposed.WaitAsync(ChannelPair.Soon);
        await using var link = await peer;
        Assert.Equal(0, await link.ReceiveAsync(new byte[1]));
    }

    [Fact]
    public async Task A_guest_that_restarts_fails_the_call_as_may_have_run_and_the_next_call_works()
    {
        await using var memory = new InMemoryPair();
        await using var pair = NewPair(new Detached(memory.Guest), memory.Host);
        var hanging = pair.Host.CallAsync(ChannelPair.Hang, new Empty()).AsTask();
        await pair.HangStarted.Task.WaitAsync(ChannelPair.Soon);
        // A new process with no memory of the session comes to the same place.
        await using var second = pair.NewGuest(new Detached(memory.Guest));
        await pair.Guest.DisposeAsync();
        second.Start();
        var error = await Assert.ThrowsAsync<ChannelException>(() => hanging.WaitAsync(ChannelPair.Soon));
        Assert.Equal(ErrorClass.MayHaveRun, error.Class);
        await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
    }

    [Fact]
    public async Task Watchers_see_the_link_come_go_and_come_back_and_the_peer_change_its_state()
    {
        await using var pair = NewPair();
        var seen = new List<ChannelEventKind>();
        var events = pair.Host.WatchAsync(ChannelPair.Soon);
        await pair.Host.WaitReadyAsync(ChannelPair.Soon);
        pair.Guest.SetState(StateWord.Busy);
        var dropped = false;
        await foreach (var next in events)
        {
            seen.Add(next.Kind);
            if (next is { Kind: ChannelEventKind.PeerState, Heartbeat.State: StateWord.Busy } && !dropped)
            {
                dropped = true;
                pair.Host.DropLink("test");
            }

            if (next.Kind == ChannelEventKind.SessionResumed)
            {
                break;
            }
        }

        Assert.Contains(ChannelEventKind.LinkLost, seen);
        Assert.Equal(StateWord.Busy, pair.Host.Status.PeerHeartbeat?.State);
    }

    [Fact]
    public async Task An_endpoint_that_cannot_be_opened_is_told_once_and_tried_again()
    {
        await using var channel = new Channel(PeerRole.Host, TransportEndpoints.Create("unix:///nonexistent/there.sock"), new ServiceRegistry());
        var events = channel.WatchAsync(ChannelPair.Soon);
        channel.Start();
        await foreach (var next in events)
        {
            Assert.Equal((ChannelEventKind.EndpointFailed, ChannelError.EndpointMissing), (next.Kind, next.Error));
            Assert.Contains("/nonexistent/there.sock", next.Text);
            break;
        }

        Assert.Equal(ChannelError.EndpointMissing, channel.Status.LastError?.Code);
    }

    /// <summary>Opens a link that cannot be cancelled any more.</summary>
    private sealed class Late(ITransportEndpoint inner) : ITransportEndpoint
    {
        public TaskCompletionSource Opening { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Uri => inner.Uri;

        public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
        {
            var link = await inner.OpenAsync(cancellationToken);
            Opening.SetResult();
            await Release.Task;
            return link;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    /// <summary>The same endpoint for a second channel, whose disposal leaves the endpoint alone.</summary>
    private sealed class Detached(ITransportEndpoint inner) : ITransportEndpoint
    {
        public string Uri => inner.Uri;

        public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) => inner.OpenAsync(cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
