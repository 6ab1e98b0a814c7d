using System.Net;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Metadata.Guest;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Metadata.Tests;

/// <summary>Secrets that are given once: for each putting, when the answer is written, with what is known of it told.</summary>
public class OnceTests
{
    private const string Path = "/ganeti/latest/os/parameters.json";
    private const string TokenHeader = "X-aws-ec2-metadata-token";
    private const string Document = Samples.Small + "os: {secret_access: once, parameters: {root_password: {value: hunter2-secret, class: secret}}}\n";

    private static async Task<string> TextAsync(HttpResponseMessage answer) => await answer.Content.ReadAsStringAsync();

    [Fact]
    public async Task The_same_secret_put_again_is_given_again()
    {
        await using var rig = await ServerRig.StartAsync(Document);
        var token = await rig.TokenAsync();
        async Task<bool> SeesAsync() => (await TextAsync(await rig.SendAsync(HttpMethod.Get, Path, null, (TokenHeader, token)))).Contains("hunter2", StringComparison.Ordinal);
        Assert.True(await SeesAsync());
        Assert.False(await SeesAsync());
        var same = Samples.Parse(Document);
        rig.Store.Put("vm1", same);
        Assert.True(await SeesAsync());
        rig.Store.Put("vm1", same);
        Assert.True(await SeesAsync());
        Assert.False(await SeesAsync());
        rig.Store.WipeSecrets("vm1");
        Assert.False(await SeesAsync());
        rig.Store.Merge("vm1", "os: {parameters: {root_password: {value: hunter2-secret}}}\n"u8);
        Assert.True(await SeesAsync());
        rig.Store.Merge("vm1", "os: {parameters: {root_password: {value: hunter2-secret}}}\n"u8);
        Assert.True(await SeesAsync());
        rig.Store.Merge("vm1", "hostname: other\n"u8);
        Assert.False(await SeesAsync());
    }

    [Fact]
    public async Task A_secret_that_is_put_beside_a_given_one_comes_alone()
    {
        await using var rig = await ServerRig.StartAsync(Document);
        var token = await rig.TokenAsync();
        await rig.SendAsync(HttpMethod.Get, Path, null, (TokenHeader, token));
        rig.Store.Merge("vm1", "os: {parameters: {pin: {value: '1234', class: secret}}}\n"u8);
        using var second = await rig.SendAsync(HttpMethod.Get, Path, null, (TokenHeader, token));
        Assert.Equal("""{"root_password":[null,"secret"],"pin":["1234","secret"]}""", await TextAsync(second));
    }

    [Fact]
    public async Task An_answer_that_carries_nothing_uses_nothing_up()
    {
        await using var rig = await ServerRig.StartAsync(Document);
        var token = await rig.TokenAsync();
        using var head = await rig.SendAsync(HttpMethod.Head, Path, null, (TokenHeader, token));
        foreach (var known in new[] { head.Headers.ETag!.ToString(), "*" })
        {
            using var same = await rig.SendAsync(HttpMethod.Get, Path, null, (TokenHeader, token), ("If-None-Match", known));
            Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        }

        using var withheld = await rig.SendAsync(HttpMethod.Get, Path);
        Assert.Equal(["withheld"], withheld.Headers.GetValues("X-Channel-Secrets"));
        using var given = await rig.SendAsync(HttpMethod.Get, Path, null, (TokenHeader, token));
        Assert.Equal(["given"], given.Headers.GetValues("X-Channel-Secrets"));
        Assert.Contains("hunter2", await TextAsync(given));
        using var again = await rig.SendAsync(HttpMethod.Get, Path, null, (TokenHeader, token));
        Assert.Equal(["given-before"], again.Headers.GetValues("X-Channel-Secrets"));
    }

    [Fact]
    public async Task The_host_is_told_that_a_guest_received_its_secret()
    {
        await using var rig = await ServerRig.StartAsync(Document);
        var token = await rig.TokenAsync();
        Assert.Contains("hunter2", await rig.RawAsync(Request(token, "Connection: close\r\n")));
        var told = await FirstAsync(rig);
        Assert.Equal((1, SecretOutcome.Received), (told.Cursor, told.Outcome));
        Assert.Equal(["root_password"], told.Parameters);
    }

    [Fact]
    public async Task A_guest_that_goes_away_before_it_reads_is_told_to_the_host_and_gets_its_secret_at_most_once()
    {
        await using var rig = await ServerRig.StartAsync(Document);
        var token = await rig.TokenAsync();
        using (var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            await socket.ConnectAsync(rig.Loopback);
            await socket.SendAsync(Encoding.ASCII.GetBytes(Request(token, "")));
        }

        var told = await FirstAsync(rig);
        // What may have left is not given again, and what has not is.
        using var answer = await rig.SendAsync(HttpMethod.Get, Path, null, (TokenHeader, token));
        Assert.Equal(told.Outcome == SecretOutcome.NotSent, (await TextAsync(answer)).Contains("hunter2", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_answer_that_its_connection_cannot_take_is_told_as_unconfirmed()
    {
        await using var rig = await ServerRig.StartAsync(Document);
        var token = await rig.TokenAsync();
        await rig.Vm1.AcceptAsync(new HalfStream(Encoding.ASCII.GetBytes(Request(token, "")))).WaitAsync(ServerRig.Soon);
        Assert.Equal(SecretOutcome.Unconfirmed, (await FirstAsync(rig)).Outcome);
    }

    /// <summary>Gives a request and then nothing, and fails when it is written to.</summary>
    private sealed class HalfStream(byte[] request) : MemoryStream(request, writable: false)
    {
        private readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override bool CanWrite => true;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position == Length)
            {
                await _written.Task;
            }

            return Read(buffer.Span);
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            _written.TrySetResult();
            throw new IOException("the guest has gone");
        }
    }

    [Fact]
    public void What_was_not_sent_is_given_to_the_next()
    {
        var answer = new Layouts.SecretAnswer(Samples.Parse(Document).Os);
        var once = new Http.OnceSecrets();
        var taken = once.Claim(answer, out _);
        Assert.Single(taken);
        Assert.Empty(once.Claim(answer, out _));
        once.Return(taken);
        Assert.Single(once.Claim(answer, out var shown));
        Assert.Contains("hunter2", Encoding.UTF8.GetString(shown.Body));
    }

    private static string Request(string token, string more) => $"GET {Path} HTTP/1.1\r\nHost: a\r\n{TokenHeader}: {token}\r\n{more}\r\n";

    private static async Task<SecretDelivery> FirstAsync(ServerRig rig)
    {
        using var soon = new CancellationTokenSource(ServerRig.Soon);
        await foreach (var one in rig.Vm1.ReadSecretDeliveriesAsync(cancellationToken: soon.Token))
        {
            return one;
        }

        throw new InvalidOperationException("no delivery was told");
    }
}
