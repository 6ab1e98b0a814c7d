using System.Net.Sockets;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using Xunit;

namespace ChannelSdk.Transports.Tests.Errors;

public sealed class UnixSocketErrorTests : IDisposable
{
    private readonly TestDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_missing_socket_is_missing_for_now()
    {
        var path = _directory["nobody"];
        var error = await OpenFails($"unix://{path}", ChannelError.EndpointMissing, ErrorClass.Retry);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("start the program", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_chardev_tells_the_qemu_option()
    {
        var path = _directory["vm"];
        var error = await OpenFails(
            $"virtio-serial://{path}", ChannelError.EndpointMissing, ErrorClass.Retry);
        Assert.Contains($"-chardev socket,id=chan0,path={path},server=on,wait=off", error.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_file_without_listener_is_missing_for_now()
    {
        LeaveStaleSocket(_directory["stale"]);
        await OpenFails($"unix://{_directory["stale"]}", ChannelError.EndpointMissing, ErrorClass.Retry);
    }

    [Theory]
    [InlineData("unix")]
    [InlineData("unix-listen")]
    public async Task A_path_through_a_file_is_refused(string scheme)
    {
        await File.WriteAllTextAsync(_directory["file"], "");
        await OpenFails($"{scheme}://{_directory["file"]}/sock", ChannelError.EndpointMissing, ErrorClass.Refused);
    }

    [Theory]
    [InlineData("unix")]
    [InlineData("virtio-serial-listen")]
    public async Task A_path_too_long_for_a_socket_is_refused(string scheme)
    {
        var error = await OpenFails(
            $"{scheme}:///tmp/{new string('x', 103)}", ChannelError.BadEndpointUri, ErrorClass.Refused);
        Assert.Contains("107", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_directory_of_a_listener_is_told()
    {
        var error = await OpenFails(
            $"unix-listen://{_directory["no/sock"]}", ChannelError.EndpointMissing, ErrorClass.Retry);
        Assert.Contains("make the directory", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_listener_takes_the_place_of_a_stale_socket()
    {
        var path = _directory["s"];
        LeaveStaleSocket(path);
        await using var listen = TransportEndpoints.Create($"unix-listen://{path}");
        await using var dial = TransportEndpoints.Create($"unix://{path}");
        var accepted = listen.OpenAsync(CancellationToken.None).AsTask();
        await dial.OpenAsync(CancellationToken.None).Within();
        await accepted.Within();
    }

    [Fact]
    public async Task A_listener_leaves_the_socket_of_another_alone()
    {
        var path = _directory["s"];
        await using var first = TransportEndpoints.Create($"unix-listen://{path}");
        var accepted = first.OpenAsync(CancellationToken.None).AsTask();

        await OpenFails($"unix-listen://{path}", ChannelError.EndpointBusy, ErrorClass.Retry);

        // The refused one looked by connecting: an empty link that ends at once.
        await using (var probe = await accepted.Within())
        {
            Assert.Equal(0, await probe.ReceiveAsync(new byte[1]).Within());
        }

        await using var dial = TransportEndpoints.Create($"unix://{path}");
        accepted = first.OpenAsync(CancellationToken.None).AsTask();
        await dial.OpenAsync(CancellationToken.None).Within();
        await accepted.Within();
    }

    [Fact]
    public async Task A_listener_never_removes_a_file_that_is_no_socket()
    {
        await File.WriteAllTextAsync(_directory["data"], "precious");
        await OpenFails($"unix-listen://{_directory["data"]}", ChannelError.EndpointDenied, ErrorClass.Refused);
        Assert.Equal("precious", await File.ReadAllTextAsync(_directory["data"]));
    }

    [Fact]
    public async Task The_socket_file_is_for_its_owner_only_and_goes_with_the_endpoint()
    {
        var path = _directory["s"];
        var listen = TransportEndpoints.Create($"unix-listen://{path}");
        var waiting = listen.OpenAsync(CancellationToken.None).AsTask();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));

        await listen.DisposeAsync();
        Assert.False(File.Exists(path));
        var error = await Assert.ThrowsAsync<ChannelException>(() => waiting.Within());
        Assert.Equal(ErrorClass.Refused, error.Class);
        await Assert.ThrowsAsync<ObjectDisposedException>(
            async () => await listen.OpenAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_socket_file_that_somebody_else_put_there_stays()
    {
        var path = _directory["s"];
        var listen = TransportEndpoints.Create($"unix-listen://{path}");
        var waiting = listen.OpenAsync(CancellationToken.None).AsTask();
        File.Delete(path);
        LeaveStaleSocket(path);

        await listen.DisposeAsync();
        Assert.True(File.Exists(path));
        await Assert.ThrowsAsync<ChannelException>(() => waiting.Within());
    }

    [Fact]
    public async Task The_peer_is_who_the_kernel_says()
    {
        var path = _directory["s"];
        await using var listen = TransportEndpoints.Create($"unix-listen://{path}");
        await using var dial = TransportEndpoints.Create($"unix://{path}");
        var accepted = listen.OpenAsync(CancellationToken.None).AsTask();
        var near = await dial.OpenAsync(CancellationToken.None).Within();
        var far = await accepted.Within();

        Assert.Equal(Environment.ProcessId, far.Peer.ProcessId);
        Assert.Equal(near.Peer with { Scheme = "unix-listen" }, far.Peer);
        Assert.NotNull(near.Peer.UserId);
        Assert.Equal(path, near.Peer.Address);
    }

    private static async Task<ChannelException> OpenFails(string uri, ChannelError code, ErrorClass errorClass)
    {
        await using var endpoint = TransportEndpoints.Create(uri);
        var error = await Assert.ThrowsAsync<ChannelException>(
            () => endpoint.OpenAsync(CancellationToken.None).Within());
        Assert.Equal(code, error.Code);
        Assert.Equal(errorClass, error.Class);
        return error;
    }

    /// <summary>As after a crash. Closing a managed socket would remove the file, so it is moved away meanwhile.</summary>
    private static void LeaveStaleSocket(string path)
    {
        using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));
            socket.Listen();
            File.Move(path, path + ".kept");
        }

        File.Move(path + ".kept", path);
    }
}
