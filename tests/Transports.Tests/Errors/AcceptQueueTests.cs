using System.Diagnostics;
using System.Net.Sockets;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.UnixSocket;
using Xunit;

namespace ChannelSdk.Transports.Tests.Errors;

/// <summary>A program that serves one client at a time, as QEMU's character devices do, and leaves the others in its queue.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class AcceptQueueTests : IDisposable
{
    private readonly TestDirectory _directory = new();
    private readonly Socket _program = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public AcceptQueueTests()
    {
        _program.Bind(new UnixDomainSocketEndPoint(_directory["s"]));
        _program.Listen(1);
    }

    public void Dispose()
    {
        _program.Dispose();
        _directory.Dispose();
    }

    [Theory]
    [InlineData("unix")]
    [InlineData("virtio-serial")]
    public async Task A_second_client_is_told_that_the_socket_is_in_use_and_goes_on_when_it_is_its_turn(string scheme)
    {
        var uri = $"{scheme}://{_directory["s"]}";
        using var first = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await first.ConnectAsync(new UnixDomainSocketEndPoint(_directory["s"]));
        using var served = await _program.AcceptAsync();
        await using var second = TransportEndpoints.Create(uri);
        // However often it asks, it has one place in the queue, which has two.
        for (var i = 0; i < 3; i++)
        {
            var error = await Assert.ThrowsAsync<ChannelException>(() => second.OpenAsync(CancellationToken.None).Within());
            Assert.Equal((ChannelError.EndpointBusy, ErrorClass.Retry), (error.Code, error.Class));
            Assert.Contains($"{uri}: the program that listens there serves another client", error.Message, StringComparison.Ordinal);
        }

        served.Dispose();
        using var next = await _program.AcceptAsync();
        await using var link = await second.OpenAsync(CancellationToken.None).Within();
        Assert.Equal(2, await next.SendAsync("up"u8.ToArray()));
        Assert.Equal(2, await link.ReceiveAsync(new byte[8]).Within());
        Assert.Equal(3, await link.SendAsync("yes"u8.ToArray()).Within());
        Assert.Equal(3, await next.ReceiveAsync(new byte[8]).WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task A_program_that_accepts_late_is_waited_for()
    {
        await using var endpoint = TransportEndpoints.Create($"unix://{_directory["s"]}");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        await Task.Delay(AcceptQueue.Patience / 4);
        Assert.False(open.IsCompleted);
        using var accepted = await _program.AcceptAsync();
        await (await open.Within()).DisposeAsync();
    }

    [Fact]
    public async Task An_open_that_was_given_up_keeps_its_place_and_a_disposed_endpoint_leaves_it()
    {
        var endpoint = TransportEndpoints.Create($"unix://{_directory["s"]}");
        for (var i = 0; i < 3; i++)
        {
            using var soon = new CancellationTokenSource();
            var open = endpoint.OpenAsync(soon.Token).AsTask();
            Assert.False(open.IsCompleted);
            await soon.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => open.Within());
        }

        await endpoint.DisposeAsync();
        using var left = await _program.AcceptAsync();
        left.ReceiveTimeout = 30_000;
        Assert.Equal(0, left.Receive(new byte[1]));
        Assert.False(_program.Poll(0, SelectMode.SelectRead), "it had more than one place in the queue");
    }

    [Fact]
    public async Task A_program_that_ends_without_accepting_ends_the_link_and_is_missing_then()
    {
        await using var endpoint = TransportEndpoints.Create($"unix://{_directory["s"]}");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        Assert.False(open.IsCompleted);
        var start = Stopwatch.GetTimestamp();
        _program.Dispose();
        await using (var link = await open.Within())
        {
            Assert.Equal(0, await link.ReceiveAsync(new byte[1]).Within());
        }

        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, AcceptQueue.Patience / 2);
        var error = await Assert.ThrowsAsync<ChannelException>(() => endpoint.OpenAsync(CancellationToken.None).Within());
        Assert.Equal(ChannelError.EndpointMissing, error.Code);
    }
}
