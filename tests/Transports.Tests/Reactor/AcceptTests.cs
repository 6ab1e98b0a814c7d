using System.Net;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Tests.Vsock;
using Xunit;

namespace ChannelSdk.Transports.Tests.Reactor;

/// <summary>A listener outlives what goes wrong with one connection.</summary>
public sealed class AcceptTests
{
    [Fact]
    public async Task Programs_that_hand_nothing_over_hold_up_no_connection()
    {
        using var directory = new TestDirectory();
        using var listener = new ForwardListener(directory["s"]);
        var accept = listener.AcceptAsync().AsTask();
        FrontEndDouble[] silent = [.. Enumerable.Range(0, 5).Select(_ => new FrontEndDouble(directory["s"]))];
        var begin = Environment.TickCount64;
        HandOver(directory["s"]).Dispose();
        await using var link = await accept.Within();
        Assert.InRange(Environment.TickCount64 - begin, 0, 1500);
        Array.ForEach(silent, static program => program.Dispose());
    }

    [Fact]
    public async Task A_connection_that_ended_before_it_was_handed_over_ends_no_forward()
    {
        using var directory = new TestDirectory();
        using var listener = new ForwardListener(directory["s"]);
        var accept = listener.AcceptAsync().AsTask();
        HandOver(directory["s"]).Dispose();
        await using (var ended = await accept.Within())
        {
            Assert.Equal(0, await ended.ReceiveAsync(new byte[1]).Within());
        }

        accept = listener.AcceptAsync().AsTask();
        using var guest = HandOver(directory["s"]);
        await using var link = await accept.Within();
        TestLibc.Write(guest, "x"u8);
        Assert.Equal(1, await link.ReceiveAsync(new byte[1]).Within());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_of_no_use_neither_ends_an_endpoint_nor_counts_as_refused(bool looksAtPorts)
    {
        var (given, guest) = TestLibc.SocketPair();
        // As one that was reset before it was accepted: its other end has no address any more. And one that cannot be waited on.
        using var source = new ListedSource(
            new TcpAddress(IPAddress.Loopback, 1).NewSocket("test"), new SafeFd(FileCalls.Open("/proc/self/exe", Abi.O_CLOEXEC, 0)), given);
        await using var endpoint = new AcceptEndpoint("test://x", new PeerIdentity("test", "x"), () => source,
            looksAtPorts ? fd => fd == given ? 1023 : TcpAddress.PeerPort(fd) : null);
        using (guest)
        {
            ITransportLink link;
            while (true)
            {
                link = await endpoint.OpenAsync(CancellationToken.None).Within();
                TestLibc.Write(guest, "x"u8);
                // Without a look at ports the first one is a link, which ends.
                if (await link.ReceiveAsync(new byte[1]).Within() == 1)
                {
                    break;
                }

                await link.DisposeAsync();
            }

            await link.DisposeAsync();
        }
    }

    /// <summary>Accepts what it was given, and then nothing.</summary>
    private sealed class ListedSource(params IEnumerable<SafeFd> files) : ISocketSource
    {
        private readonly Queue<SafeFd> _files = new(files);

        public async ValueTask<SafeFd> AcceptAsync(CancellationToken cancellationToken)
        {
            if (_files.Count == 0)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            return _files.Dequeue();
        }

        public void Dispose()
        {
            foreach (var left in _files)
            {
                left.Dispose();
            }
        }
    }

    private static SafeFd HandOver(string path)
    {
        var (given, kept) = TestLibc.SocketPair();
        using var helper = new FrontEndDouble(path);
        helper.SendRaw("x"u8, given);
        given.Dispose();
        return kept;
    }
}
