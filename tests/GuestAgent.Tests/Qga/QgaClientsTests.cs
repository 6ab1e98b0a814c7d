using System.Text;
using ChannelSdk.GuestAgent.Qga;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>Requests in pieces, and what clients do to each other.</summary>
[Collection("what all programs may keep")]
public sealed class QgaClientsTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly QgaRig _rig = new();

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Half_a_request_of_one_client_never_reaches_the_next()
    {
        using (var first = await QgaTestClient.ConnectAsync(_rig.Socket))
        {
            await first.SendAsync("{\"execute\":\"guest-pi");
        }

        var second = await _rig.ConnectAsync();
        await second.CallAsync("guest-ping");
    }

    [Fact]
    public async Task The_byte_0xFF_drops_half_a_request_wherever_it_was_cut()
    {
        var client = await _rig.ConnectAsync();
        const string request = "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":\"\\u00e9\"}}";
        for (var length = 0; length < request.Length; length++)
        {
            await client.SendAsync(request[..length]);
            await client.SendAsync(new byte[] { 0xFF });
            Assert.Equal(length, (await client.CallAsync("guest-sync", $"{{\"id\":{length}}}")).GetInt32());
        }
    }

    [Fact]
    public async Task A_client_that_leaves_with_replies_unread_ends_only_itself()
    {
        var path = _rig.NewFile("large", new byte[8 << 20]);
        var other = await _rig.ConnectAsync();
        for (var i = 0; i < 5; i++)
        {
            using var rude = await QgaTestClient.ConnectAsync(_rig.Socket);
            var file = (await rude.CallAsync("guest-file-open", $"{{\"path\":\"{path}\"}}")).GetInt64();
            await rude.SendAsync($"{{\"execute\":\"guest-file-read\",\"arguments\":{{\"handle\":{file},\"count\":{8 << 20}}}}}");
        }

        await other.CallAsync("guest-ping");
        await (await _rig.ConnectAsync()).CallAsync("guest-ping");
    }

    [Fact]
    public async Task Clients_are_served_side_by_side_and_have_their_own_files()
    {
        var path = _rig.NewFile("x", "abc"u8.ToArray());
        var one = await _rig.ConnectAsync();
        var two = await _rig.ConnectAsync();
        await one.SendAsync("{\"execute\":");
        await two.CallAsync("guest-ping");
        await one.SendAsync("\"guest-ping\"}");
        Assert.True((await one.ReadAsync()).TryGetProperty("return", out _));
        var file = (await one.CallAsync("guest-file-open", $"{{\"path\":\"{path}\"}}")).GetInt64();
        Assert.Equal(("GenericError", $"handle '{file}' has not been found"), await two.FailAsync("guest-file-read", $"{{\"handle\":{file}}}"));
        await one.CallAsync("guest-file-close", $"{{\"handle\":{file}}}");
        Assert.Equal(("GenericError", $"handle '{file}' has not been found"), await one.FailAsync("guest-file-close", $"{{\"handle\":{file}}}"));
        Assert.True((await one.CallAsync("guest-file-open", $"{{\"path\":\"{path}\"}}")).GetInt64() > file);
    }

    [Fact]
    public async Task Requests_in_one_piece_or_byte_by_byte_are_the_same()
    {
        var client = await _rig.ConnectAsync();
        await client.SendAsync("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":1}}{\"execute\":\"guest-sync\",\"arguments\":{\"id\":2}}\n\n  ");
        foreach (var next in "{ \"execute\" : \"guest-sync\" ,\n\"arguments\":{\"id\":3} }"u8.ToArray())
        {
            await client.SendAsync(new[] { next });
        }

        foreach (var id in new[] { 1, 2, 3 })
        {
            Assert.Equal(id, (await client.ReadAsync()).GetProperty("return").GetInt32());
        }
    }

    [Fact]
    public async Task A_request_that_a_pause_of_the_guest_splits_is_whole()
    {
        var time = new FakeTimeProvider();
        await using var rig = new QgaRig(time: time);
        var client = await rig.ConnectAsync();
        await client.CallAsync("guest-ping");
        await client.SendAsync("{\"execute\":\"guest-sync\",\"argum");
        await Task.Delay(50);
        time.Advance(QgaConnection.PartKeptFor + TimeSpan.FromSeconds(1));
        await client.SendAsync("ents\":{\"id\":7}}\n");
        Assert.Equal(7, (await client.ReadAsync()).GetProperty("return").GetInt64());
        await client.SendAsync("{\"execute\":\"guest-sync\",\"argum");
        await Task.Delay(50);
        time.Advance(QgaConnection.PartKeptFor + TimeSpan.FromSeconds(1));
        Assert.Equal("{}", (await client.CallAsync("guest-ping")).ToString());
    }

    [Fact]
    public void Half_a_text_that_was_dropped_leaves_no_trace()
    {
        var framer = new QgaFramer(new QgaMemory());
        Feed(framer, "{\"execute\":\"x");
        Assert.Null(framer.Next());
        Assert.True(framer.HasPartial);
        framer.Drop();
        Feed(framer, "{}");
        Assert.Equal("{}", Encoding.ASCII.GetString(framer.Next()!.Value.Span));
        Assert.False(framer.HasPartial);
    }

    internal static void Feed(QgaFramer framer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        bytes.CopyTo(framer.Space);
        framer.Advance(bytes.Length);
    }
}
