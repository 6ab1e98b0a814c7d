using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.LinkLocal;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Store;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Metadata over connections that a program hands over, as channel-forward does for QEMU's user network.</summary>
public sealed class ForwardedMetadataTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-test-");

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    private string SocketPath => Path.Combine(_folder.FullName, "http");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task What_is_handed_over_and_is_no_good_connection_ends_no_later_one()
    {
        using var store = new FolderMetadataStore(Path.Combine(_folder.FullName, "store"));
        store.Put("vm1", InstanceMetadata.Parse("instance_id: i-1\nhostname: vm1.example.org\n"u8));
        await using var server = await MetadataServer.StartAsync(store);
        await using var instance = server.AttachInstance("vm1");
        await using var listeners = new MetadataListeners(instance);
        listeners.ServeForward(SocketPath);
        await AssertAnswersAsync();

        var (guest, given) = await PairAsync();
        // A reset, and not an end, is what the other side gets.
        guest.LingerState = new LingerOption(true, 0);
        guest.Dispose();
        HandOver(given.SafeHandle.DangerousGetHandle());
        given.Dispose();
        await AssertAnswersAsync();

        await using var pipe = new AnonymousPipeServerStream(PipeDirection.Out);
        HandOver(pipe.ClientSafePipeHandle.DangerousGetHandle());
        await AssertAnswersAsync();

        using var listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        HandOver(listening.SafeHandle.DangerousGetHandle());
        await AssertAnswersAsync();
    }

    private async Task AssertAnswersAsync()
    {
        var (guest, given) = await PairAsync();
        HandOver(given.SafeHandle.DangerousGetHandle());
        given.Dispose();
        await using var stream = new NetworkStream(guest, ownsSocket: true);
        await stream.WriteAsync("GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"u8.ToArray(), Soon);
        using var reader = new StreamReader(stream, Encoding.ASCII);
        var answer = await reader.ReadToEndAsync(Soon);
        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.EndsWith("i-1", answer, StringComparison.Ordinal);
    }

    private static async Task<(Socket Guest, Socket Given)> PairAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var guest = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await guest.ConnectAsync(listener.LocalEndPoint!, Soon);
        return (guest, await listener.AcceptAsync(Soon));
    }

    private void HandOver(nint descriptor)
    {
        using var helper = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        helper.Connect(new UnixDomainSocketEndPoint(SocketPath));
        using var file = new SafeFileHandle(descriptor, ownsHandle: false);
        FileSending.Send(helper, "x"u8, file);
    }
}
