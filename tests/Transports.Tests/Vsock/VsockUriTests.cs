using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

public sealed class VsockUriTests
{
    [Theory]
    [InlineData("vsock://2:5000")]
    [InlineData("vsock-listen://2:5000")]
    [InlineData("vsock-listen://:5000")]
    [InlineData("vhost-vsock:///run/vm1.vsock?cid=3&port=5000")]
    [InlineData("vhost-vsock:///run/vm1.vsock?cid=7&port=5000")]
    [InlineData("vsock-hybrid:///run/vm1.vsock?port=5000")]
    public async Task An_endpoint_keeps_its_URI_and_opens_nothing(string uri)
    {
        await using var endpoint = TransportEndpoints.Create(uri);
        Assert.Equal(uri, endpoint.Uri);
    }

    [Theory]
    [InlineData("vsock://5000", "CID:PORT")]
    [InlineData("vsock://:5000", "CID:PORT")]
    [InlineData("vsock://2:5000:1", "CID:PORT")]
    [InlineData("vsock://2:-1", "CID:PORT")]
    [InlineData("vsock://4294967295:1", "CID:PORT")]
    [InlineData("vsock-listen://2:", "CID:PORT")]
    [InlineData("vhost-vsock:///run/v.sock", "port=NUMBER is missing")]
    [InlineData("vhost-vsock:///run/v.sock?port=", "not a number")]
    [InlineData("vhost-vsock:///run/v.sock?port=1&cid=2", "its cid is not a number from 3")]
    [InlineData("vhost-vsock:///run/v.sock?port=1&port=2", "each once")]
    [InlineData("vhost-vsock:///run/v.sock?port=1&color=red", "'color=red' is not one of its options")]
    [InlineData("vhost-vsock:///run/v.sock?port=1&hybrid=here", "its hybrid is not an absolute path")]
    [InlineData("vhost-vsock:///run/v.sock?port=1&max-memory-mib=0", "its max-memory-mib is not a number from 1")]
    [InlineData("vhost-vsock://run/v.sock?port=1", "three slashes")]
    [InlineData("vhost-vsock:///run/?port=1", "names a directory")]
    [InlineData("vsock-hybrid:///run/v.sock?port", "'port' is not one of its options")]
    public void What_is_wrong_with_a_URI_is_told(string uri, string words)
    {
        var error = Assert.Throws<ChannelException>(() => TransportEndpoints.Create(uri));
        Assert.Equal(ChannelError.BadEndpointUri, error.Code);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }
}
