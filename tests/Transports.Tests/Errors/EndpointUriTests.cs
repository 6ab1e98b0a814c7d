using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using Xunit;

namespace ChannelSdk.Transports.Tests.Errors;

public sealed class EndpointUriTests
{
    [Theory]
    [InlineData("unix:///run/x.sock", "unix", "/run/x.sock")]
    [InlineData("UNIX-Listen:///run/x.sock", "unix-listen", "/run/x.sock")]
    [InlineData("virtio-serial:///run/vm 1%20.sock", "virtio-serial", "/run/vm 1%20.sock")]
    [InlineData("virtio-serial-listen:///run/vm1.sock", "virtio-serial-listen", "/run/vm1.sock")]
    [InlineData("virtio-port://org.channelsdk.agent.0", "virtio-port", "org.channelsdk.agent.0")]
    [InlineData("virtio-port:///dev/vport0p1", "virtio-port", "/dev/vport0p1")]
    [InlineData("tcp://169.254.169.254:9254", "tcp", "169.254.169.254:9254")]
    [InlineData("tcp-listen://[::1]:9254", "tcp-listen", "[::1]:9254")]
    [InlineData("tap://vm1", "tap", "vm1")]
    [InlineData("usernet:///run/vm1.channel", "usernet", "/run/vm1.channel")]
    [InlineData("usernet:///run/vm1.channel?token-file=/run/vm1.token", "usernet", "/run/vm1.channel?token-file=/run/vm1.token")]
    [InlineData("tcp://169.254.169.254:9254?token-file=/etc/token", "tcp", "169.254.169.254:9254?token-file=/etc/token")]
    [InlineData("vchan://3/org.channelsdk.agent.0", "vchan", "3/org.channelsdk.agent.0")]
    [InlineData("vchan-listen://0/a?order=10", "vchan-listen", "0/a?order=10")]
    public void A_good_uri_is_read(string text, string scheme, string target)
    {
        var uri = TransportEndpoints.Default.Parse(text);
        Assert.Equal(scheme, uri.Scheme);
        Assert.Equal(target, uri.Target);
        Assert.Equal($"{scheme}://{target}", uri.ToString());
        Assert.Equal(uri.ToString(), TransportEndpoints.Create(text).Uri);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("/run/x.sock", "does not begin with a scheme")]
    [InlineData("unix:/run/x.sock", "does not begin with a scheme")]
    [InlineData("://x", "does not begin with a scheme")]
    [InlineData("ftp://127.0.0.1:80", "'ftp' is no known scheme")]
    [InlineData("tcp://localhost:80", "not ADDRESS:PORT")]
    [InlineData("tcp://127.0.0.1:80?token=x", "'token=x' is not one of its options, each once: token-file")]
    [InlineData("usernet:///run/x?token-file=x", "its token-file is not an absolute path")]
    [InlineData("tcp://127.0.0.1", "not ADDRESS:PORT")]
    [InlineData("tap://../x", "its name is not 1 to 253 characters")]
    [InlineData("unix://", "nothing comes after")]
    [InlineData("unix://run/x.sock", "three slashes")]
    [InlineData("unix:///run/", "names a directory")]
    [InlineData("virtio-port://a/b", "a name has no '/'")]
    [InlineData("virtio-port://..", "a name has no '/'")]
    [InlineData("vchan://3", "it is not DOMID/NAME")]
    [InlineData("vchan://vm1/a", "it is not DOMID/NAME")]
    [InlineData("vchan://32752/a", "it is not DOMID/NAME")]
    [InlineData("vchan://3/a/b", "it is not DOMID/NAME")]
    [InlineData("vchan://3/", "it is not DOMID/NAME")]
    [InlineData("vchan://3/12345678901234567890123456789012345678901234567890123456789012345", "it is not DOMID/NAME")]
    [InlineData("vchan://3/a?order=16", "not one of its options")]
    [InlineData("vchan-listen://0/a?order=9", "its order is not a number from 10")]
    [InlineData("vchan-listen://0/a?order=21", "its order is not a number from 10 to 20")]
    [InlineData("unix:///run/\u001b[31m", "control character")]
    [InlineData("unix:///run/\0", "control character")]
    public void A_bad_uri_is_refused_with_what_is_wrong(string text, string why)
    {
        var error = Assert.Throws<ChannelException>(() => TransportEndpoints.Create(text));
        Assert.Equal(ChannelError.BadEndpointUri, error.Code);
        Assert.Equal(ErrorClass.Refused, error.Class);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(error.Message, char.IsControl);
    }

    [Theory]
    [InlineData("virtio-serail:///run/vm1.sock", "did you mean 'virtio-serial'?")]
    [InlineData("vsok://3:5000", "did you mean 'vsock'?")]
    [InlineData("carrier-pigeon:///x", "is no known scheme; known are: ")]
    public void A_bad_scheme_gets_the_nearest_one_and_those_that_a_host_has_a_use_for(string text, string said)
    {
        var error = Assert.Throws<ChannelException>(() => TransportEndpoints.Create(text));
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
        Assert.Contains("tap://vm1", error.Message, StringComparison.Ordinal);
        Assert.Contains("unix-listen:///run/channel.sock", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("virtio-port", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("vchan-listen", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_overlong_uri_is_refused_with_a_short_text()
    {
        var error = Assert.Throws<ChannelException>(
            () => TransportEndpoints.Default.Parse("unix:///" + new string('x', EndpointSchemes.MaxLength)));
        Assert.Equal(ChannelError.BadEndpointUri, error.Code);
        Assert.True(error.Message.Length < 800, error.Message);
    }
}
