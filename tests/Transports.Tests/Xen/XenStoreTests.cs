using System.Buffers.Binary;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Xen.Store;
using Xunit;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>The xenstore client against messages that are written by hand.</summary>
public sealed class XenStoreTests : IDisposable
{
    private readonly SafeFd _server;
    private readonly XenStore _store;

    public XenStoreTests()
    {
        (var client, _server) = TestLibc.SocketPair();
        _store = new XenStore(client);
    }

    public void Dispose()
    {
        _store.Dispose();
        _server.Dispose();
    }

    [Fact]
    public async Task A_request_has_the_wire_form_and_gets_the_answer_with_its_id()
    {
        var read = _store.ReadAsync("data/x", default);
        var request = await ReceiveAsync(StoreMessage.HeaderLength + 7);
        Assert.Equal([2, 0, 0, 0], request[..4]);
        Assert.Equal([0, 0, 0, 0, 7, 0, 0, 0], request[8..16]);
        Assert.Equal("data/x\0"u8.ToArray(), request[16..]);
        Answer(StoreOperation.Read, Id(request), "a \u00e9 value");
        Assert.Equal("a \u00e9 value", await read.Within());
    }

    [Fact]
    public async Task An_answer_in_pieces_with_events_before_it_is_put_together()
    {
        var changed = _store.Changed;
        var read = _store.ReadAsync("x", default);
        var id = Id(await ReceiveAsync(StoreMessage.HeaderLength + 2));
        foreach (var b in (byte[])[.. StoreDouble.Message(StoreOperation.WatchEvent, 0, "x\0w\0"), .. StoreDouble.Message(StoreOperation.Read, id, "value")])
        {
            Send([b]);
        }

        Assert.Equal("value", await read.Within());
        await changed.Within();
    }

    [Fact]
    public async Task A_node_that_is_not_there_or_not_to_be_seen_is_null_and_other_errors_are_told()
    {
        Assert.Null(await FailAsync(_store.ReadAsync("x", default), "ENOENT"));
        Assert.Null(await FailAsync(_store.ReadAsync("x", default), "EACCES"));
        Assert.Null(await FailAsync(_store.CallAsync(StoreOperation.Remove, "x\0", default), "ENOENT"));
        var denied = await Assert.ThrowsAsync<ChannelException>(() => FailAsync(_store.CallAsync(StoreOperation.Write, "x\0", default), "EACCES"));
        Assert.Equal(ChannelError.EndpointDenied, denied.Code);
        var odd = await Assert.ThrowsAsync<ChannelException>(() => FailAsync(_store.ReadAsync("x", default), "\u001b[31mE\u0007"));
        Assert.Equal(ErrorClass.Retry, odd.Class);
        Assert.DoesNotContain(odd.Message, char.IsControl);
    }

    [Fact]
    public async Task The_late_answer_of_a_request_that_was_given_up_is_not_the_next_ones()
    {
        using var cancel = new CancellationTokenSource();
        var first = _store.ReadAsync("a", cancel.Token);
        var firstId = Id(await ReceiveAsync(StoreMessage.HeaderLength + 2));
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Within());
        var second = _store.ReadAsync("b", default);
        var secondId = Id(await ReceiveAsync(StoreMessage.HeaderLength + 2));
        Answer(StoreOperation.Read, firstId, "of a");
        Answer(StoreOperation.Read, secondId, "of b");
        Assert.Equal("of b", await second.Within());
    }

    [Fact]
    public async Task A_message_that_cannot_be_ends_the_connection()
    {
        var read = _store.ReadAsync("x", default);
        await ReceiveAsync(StoreMessage.HeaderLength + 2);
        var header = new byte[StoreMessage.HeaderLength];
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(12), StoreMessage.MaxPayload + 1);
        Send(header);
        var error = await Assert.ThrowsAsync<ChannelException>(() => read.Within());
        Assert.Equal(ChannelError.TransportFailed, error.Code);
        Assert.True(_store.HasFailed);
        await Assert.ThrowsAsync<ChannelException>(() => _store.ReadAsync("x", default).Within());
    }

    [Fact]
    public async Task The_end_of_the_connection_fails_waiting_requests_and_wakes_watchers()
    {
        var read = _store.ReadAsync("x", default);
        var changed = _store.Changed;
        _server.Dispose();
        var error = await Assert.ThrowsAsync<ChannelException>(() => read.Within());
        Assert.Equal(ErrorClass.Retry, error.Class);
        await changed.Within();
        Assert.True(_store.HasFailed);
    }

    [Fact]
    public async Task A_request_after_the_end_fails_whichever_thread_sees_the_end_first()
    {
        _server.Dispose();
        var error = await Assert.ThrowsAsync<ChannelException>(() => _store.ReadAsync("x", default).Within());
        Assert.Equal(ErrorClass.Retry, error.Class);
        Assert.True(_store.HasFailed);
    }

    [Fact]
    public async Task Many_events_are_one_signal()
    {
        var changed = _store.Changed;
        var watchEvent = StoreDouble.Message(StoreOperation.WatchEvent, 0, "x\0w\0");
        for (var i = 0; i < 1000; i++)
        {
            Send(watchEvent);
        }

        await changed.Within();
        var read = _store.ReadAsync("x", default);
        Answer(StoreOperation.Read, Id(await ReceiveAsync(StoreMessage.HeaderLength + 2)), "");
        // The answer came behind all events.
        Assert.Equal("", await read.Within());
        Assert.False(_store.Changed.IsCompleted);
    }

    private async Task<string?> FailAsync(Task<string?> call, string error)
    {
        var request = await ReceiveAsync(StoreMessage.HeaderLength + 2);
        Answer(StoreOperation.Error, Id(request), error + "\0");
        return await call.Within();
    }

    private void Answer(StoreOperation operation, uint id, string payload) => Send(StoreDouble.Message(operation, id, payload));

    private void Send(byte[] bytes)
    {
        for (var sent = 0; sent < bytes.Length;)
        {
            sent += Math.Max(0, TestLibc.Write(_server, bytes.AsSpan(sent)));
        }
    }

    private Task<byte[]> ReceiveAsync(int length) => Task.Run(() =>
    {
        var bytes = new byte[length];
        for (var filled = 0; filled < length;)
        {
            filled += Math.Max(0, TestLibc.Read(_server, bytes.AsSpan(filled)));
        }

        return bytes;
    }).Within();

    private static uint Id(byte[] request) => BinaryPrimitives.ReadUInt32LittleEndian(request.AsSpan(4));
}
