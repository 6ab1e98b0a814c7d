using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Runtime.Tests;

public class CallTests : ChannelTests
{
    private static BytesValue Bytes(int size) => new() { Value = ByteString.CopyFrom(Enumerable.Range(0, size).Select(i => (byte)i).ToArray()) };

    [Theory]
    [InlineData(0)]
    [InlineData(64)]
    [InlineData(70_000)]
    [InlineData(1_000_000)]
    public async Task A_unary_call_brings_a_reply_of_any_size(int size)
    {
        await using var pair = NewPair();
        var reply = await pair.Host.CallAsync(ChannelPair.Echo, Bytes(size), cancellationToken: ChannelPair.Soon);
        Assert.Equal(Bytes(size), reply);
    }

    [Fact]
    public async Task A_call_made_before_any_link_is_there_waits_for_it()
    {
        await using var pair = NewPair();
        var reply = await pair.Host.CallAsync(ChannelPair.Echo, Bytes(3), cancellationToken: ChannelPair.Soon);
        Assert.Equal(3, reply.Value.Length);
        Assert.Equal(LinkState.Up, pair.Host.Status.LinkState);
    }

    [Fact]
    public async Task Many_calls_at_once_each_get_their_own_reply()
    {
        await using var pair = NewPair();
        await pair.Host.WaitReadyAsync(ChannelPair.Soon);
        await Parallel.ForAsync(0, 5000, new ParallelOptions { MaxDegreeOfParallelism = 50 }, async (i, _) =>
        {
            var reply = await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue { Value = ByteString.CopyFrom(BitConverter.GetBytes(i)) }, cancellationToken: ChannelPair.Soon);
            Assert.Equal(i, BitConverter.ToInt32(reply.Value.Span));
        });
    }

    [Fact]
    public async Task A_typed_error_of_the_handler_reaches_the_caller_as_it_was()
    {
        await using var pair = NewPair();
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await pair.Host.CallAsync(ChannelPair.Fail, new StringValue { Value = "typed" }, cancellationToken: ChannelPair.Soon));
        Assert.Equal((ChannelError.PermissionDenied, ErrorClass.Refused, ErrorOrigin.Service, "not you"), (error.Code, error.Class, error.Origin, error.Message));
    }

    [Fact]
    public async Task An_unexpected_error_of_the_handler_does_not_tell_its_text()
    {
        await using var pair = NewPair();
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await pair.Host.CallAsync(ChannelPair.Fail, new StringValue { Value = "other" }, cancellationToken: ChannelPair.Soon));
        Assert.Equal((ChannelError.Internal, ErrorClass.MayHaveRun), (error.Code, error.Class));
        Assert.DoesNotContain("secret", error.Message);
    }

    [Fact]
    public async Task A_method_that_does_not_exist_is_named_and_the_channel_goes_on()
    {
        await using var pair = NewPair();
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await pair.Host.CallAsync(ChannelPair.Missing, new Empty(), cancellationToken: ChannelPair.Soon));
        Assert.Equal((ChannelError.UnknownMethod, ErrorClass.Refused), (error.Code, error.Class));
        Assert.Contains("test.Missing", error.Message);
        await pair.Host.CallAsync(ChannelPair.Echo, Bytes(1), cancellationToken: ChannelPair.Soon);
    }

    [Fact]
    public async Task A_deadline_ends_the_call_on_both_sides()
    {
        await using var pair = NewPair();
        await pair.Host.WaitReadyAsync(ChannelPair.Soon);
        var error = await Assert.ThrowsAsync<ChannelException>(async () =>
            await pair.Host.CallAsync(ChannelPair.Hang, new Empty(), new CallOptions(TimeSpan.FromMilliseconds(100)), ChannelPair.Soon));
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun), (error.Code, error.Class));
        await pair.HangCancelled.Task.WaitAsync(ChannelPair.Soon);
    }

    [Fact]
    public async Task A_cancelled_token_ends_the_call_and_tells_the_handler()
    {
        await using var pair = NewPair();
        using var cancel = new CancellationTokenSource();
        var call = pair.Host.CallAsync(ChannelPair.Hang, new Empty(), cancellationToken: cancel.Token).AsTask();
        await pair.HangStarted.Task.WaitAsync(ChannelPair.Soon);
        await cancel.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal(cancel.Token, error.CancellationToken);
        await pair.HangCancelled.Task.WaitAsync(ChannelPair.Soon);
    }

    [Fact]
    public async Task Calls_fail_clearly_after_the_channel_was_disposed_of()
    {
        var pair = NewPair();
        var hanging = pair.Host.CallAsync(ChannelPair.Hang, new Empty()).AsTask();
        await pair.HangStarted.Task.WaitAsync(ChannelPair.Soon);
        await pair.DisposeAsync();
        var pending = await Assert.ThrowsAsync<ChannelException>(() => hanging);
        Assert.Equal((ChannelError.SessionClosed, ErrorClass.MayHaveRun), (pending.Code, pending.Class));
        var late = await Assert.ThrowsAsync<ChannelException>(async () => await pair.Host.CallAsync(ChannelPair.Echo, Bytes(1)));
        Assert.Equal(ChannelError.SessionClosed, late.Code);
    }

    [Fact]
    public async Task A_request_that_is_too_large_is_refused_before_it_is_sent()
    {
        await using var pair = NewPair();
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await pair.Host.CallAsync(ChannelPair.Echo, Bytes((1 << 20) + 1)));
        Assert.Equal((ChannelError.MessageTooLarge, ErrorClass.Refused), (error.Code, error.Class));
    }
}
