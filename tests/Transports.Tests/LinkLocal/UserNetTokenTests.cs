using System.Net;
using System.Net.Sockets;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Tests.Vsock;
using Xunit;

namespace ChannelSdk.Transports.Tests.LinkLocal;

/// <summary>On the user network every process of a guest can connect, and only its agent has the token.</summary>
public sealed class UserNetTokenTests : IDisposable
{
    private readonly TestDirectory _directory = new();
    private readonly UserNetToken _token;
    private readonly byte[] _preface = new byte[UserNetToken.PrefaceLength];

    public UserNetTokenTests()
    {
        _token = UserNetToken.Create(_directory["token"]);
        _token.WritePreface(_preface);
    }

    public void Dispose()
    {
        _token.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_connection_that_says_the_token_is_a_link_and_keeps_every_byte_behind_it()
    {
        await using var endpoint = TransportEndpoints.Create($"usernet://{_directory["s"]}?token-file={_directory["token"]}");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var guest = Connect();
        TestLibc.Write(guest, [.. _preface, 1, 2, 3]);
        await using var link = await open.Within();
        var buffer = new byte[16];
        Assert.Equal(3, await link.ReceiveAsync(buffer).Within());
        Assert.Equal([1, 2, 3], buffer[..3]);
    }

    [Fact]
    public async Task A_token_that_comes_byte_by_byte_is_taken()
    {
        await using var endpoint = _token.Listen(_directory["s"]);
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var guest = Connect();
        foreach (var one in _preface)
        {
            Assert.False(open.IsCompleted);
            TestLibc.Write(guest, [one]);
            await Task.Yield();
        }

        await using var link = await open.Within();
    }

    [Fact]
    public async Task Without_the_token_no_connection_becomes_a_link_beside_the_present_one()
    {
        await using var endpoint = _token.Listen(_directory["s"]);
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var agent = Connect();
        TestLibc.Write(agent, _preface);
        await using var link = await open.Within();
        var next = endpoint.OpenAsync(CancellationToken.None).AsTask();

        // A HELLO at once, as an agent without a token; then every byte of the preface wrong, one at a time.
        AssertDropped([.. "CHAN"u8, .. new byte[200]]);
        var refused = await Assert.ThrowsAsync<ChannelException>(() => next.Within());
        Assert.Equal(ChannelError.EndpointDenied, refused.Code);
        Assert.Contains("did not say the token", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexString(_preface.AsSpan(8)), refused.Message, StringComparison.OrdinalIgnoreCase);
        next = endpoint.OpenAsync(CancellationToken.None).AsTask();
        for (var i = 0; i < _preface.Length; i++)
        {
            byte[] wrong = [.. _preface];
            wrong[i] ^= 0x10;
            AssertDropped(wrong);
        }
        // One that has more to say than a token is no better.
        AssertDropped([.. UserNetToken.Mark, .. new byte[4096]]);
        // And one that ends at each of its bytes.
        for (var i = 0; i < _preface.Length; i++)
        {
            using var cut = Connect();
            TestLibc.Write(cut, _preface.AsSpan(0, i));
            SocketCalls.Shutdown(cut, Abi.SHUT_WR);
            AssertEnded(cut);
        }

        Assert.False(next.IsCompleted);

        // The link that is up has seen nothing of it, and an agent that connects again is accepted.
        TestLibc.Write(agent, [7]);
        Assert.Equal(1, await link.ReceiveAsync(new byte[16]).Within());
        using var again = Connect();
        TestLibc.Write(again, _preface);
        await using var newer = await next.Within();
    }

    [Fact]
    public async Task Silent_connections_do_not_keep_the_agent_out()
    {
        await using var endpoint = _token.Listen(_directory["s"]);
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var first = Connect();
        List<SafeFd> silent = [];
        // The oldest goes for one beyond the bound.
        while (!IsReadable(first, 5))
        {
            silent.Add(Connect());
            Assert.InRange(silent.Count, 0, 20 * PrefaceCheck.MaxWaiting);
        }

        // While more come than are taken, one is closed at once, and an agent tries again.
        List<SafeFd> agents = [];
        while (!open.IsCompleted && agents.Count < 20)
        {
            agents.Add(Connect());
            TestLibc.Write(agents[^1], _preface);
            await Task.WhenAny(open, Task.Delay(500));
        }

        await using var link = await open.Within();
        silent.Concat(agents).ToList().ForEach(static fd => fd.Dispose());
    }

    [Fact]
    public void A_connection_that_does_not_say_all_of_it_is_dropped_after_its_time()
    {
        var admitted = new List<SocketLink>();
        var check = new PrefaceCheck(_token, TimeSpan.FromMilliseconds(50), admitted.Add, static () => Assert.Fail("nothing was said"));
        var (given, kept) = TestLibc.SocketPair();
        using (kept)
        {
            TestLibc.Write(kept, _preface.AsSpan(0, 39));
            check.Begin(SocketLink.Attach(given, new PeerIdentity("usernet", "test")));
            AssertEnded(kept);
        }

        Assert.Empty(admitted);
    }

    [Fact]
    public async Task The_guests_side_says_the_token_of_its_file_before_all_else()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var endpoint = TransportEndpoints.Create($"tcp://{listener.LocalEndpoint}?token-file={_directory["token"]}");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var host = await listener.AcceptSocketAsync();
        await using var link = await open.Within();
        await link.SendAsync(new byte[] { 9 });
        var said = new byte[_preface.Length + 1];
        for (var have = 0; have < said.Length;)
        {
            have += await host.ReceiveAsync(said.AsMemory(have)).Within();
        }

        Assert.Equal([.. _preface, 9], said);

        // Each link has the token that is there then; without the file there is no link, and the text says which file.
        File.Delete(_directory["token"]);
        var missing = await Assert.ThrowsAsync<ChannelException>(() => endpoint.OpenAsync(CancellationToken.None).AsTask());
        Assert.Contains($"read the token file {_directory["token"]}", missing.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x1A0, 32, "others can read it")]
    [InlineData(0x184, 32, "others can read it")]
    [InlineData(0x180, 31, "other than 32 bytes")]
    [InlineData(0x180, 33, "other than 32 bytes")]
    [InlineData(0x180, 0, "other than 32 bytes")]
    public async Task A_file_that_is_no_secret_token_is_told_and_not_used(int mode, int length, string why)
    {
        File.WriteAllBytes(_directory["bad"], new byte[length]);
        File.SetUnixFileMode(_directory["bad"], (UnixFileMode)mode);
        Assert.Contains(why, Assert.Throws<ChannelException>(() => UserNetToken.Read(_directory["bad"])).Message, StringComparison.Ordinal);
        await using var endpoint = TransportEndpoints.Create($"usernet://{_directory["s"]}?token-file={_directory["bad"]}");
        Assert.Equal(ChannelError.BadConfiguration, (await Assert.ThrowsAsync<ChannelException>(() => endpoint.OpenAsync(CancellationToken.None).AsTask())).Code);
    }

    [Fact]
    public void A_new_token_is_random_in_a_file_of_its_user_alone_and_replaces_nothing()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_directory["token"]));
        using var other = UserNetToken.Create(_directory["other"]);
        Assert.NotEqual(File.ReadAllBytes(_directory["token"]), File.ReadAllBytes(_directory["other"]));
        Assert.False(other.IsIn(_preface));
        Assert.True(_token.IsIn(_preface));
        Assert.Throws<ChannelException>(() => UserNetToken.Create(_directory["token"]));
        Assert.Throws<ChannelException>(() => UserNetToken.Read(Path.GetDirectoryName(_directory["token"])!));
    }

    private void AssertDropped(ReadOnlySpan<byte> bytes)
    {
        using var stranger = Connect();
        _ = DescriptorCalls.Fcntl(stranger, Abi.F_SETFL, 0);
        TestLibc.Write(stranger, bytes);
        AssertEnded(stranger);
    }

    private static unsafe bool IsReadable(SafeFd fd, int milliseconds)
    {
        var wait = new PollFd { Fd = (int)fd.DangerousGetHandle(), Events = Abi.POLLIN };
        return DescriptorCalls.Poll(&wait, 1, milliseconds) == 1;
    }

    private static unsafe void AssertEnded(SafeFd fd)
    {
        Assert.True(IsReadable(fd, 30_000), "it was not ended");
        byte one;
        Assert.True(SocketCalls.Recv(fd, &one, 1, Abi.MSG_DONTWAIT) <= 0, "a stranger was answered");
    }

    /// <summary>A connection of the guest, handed over as channel-forward does.</summary>
    private SafeFd Connect()
    {
        var (given, kept) = TestLibc.SocketPair();
        using (given)
        {
            using var helper = new FrontEndDouble(_directory["s"]);
            helper.SendRaw("x"u8, given);
        }

        return kept;
    }
}
