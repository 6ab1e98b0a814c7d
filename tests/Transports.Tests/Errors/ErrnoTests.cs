using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using Xunit;

namespace ChannelSdk.Transports.Tests.Errors;

public sealed class ErrnoTests
{
    [Theory]
    [InlineData(2, ChannelError.EndpointMissing, ErrorClass.Retry)]
    [InlineData(6, ChannelError.EndpointMissing, ErrorClass.Retry)]
    [InlineData(19, ChannelError.EndpointMissing, ErrorClass.Retry)]
    [InlineData(111, ChannelError.EndpointMissing, ErrorClass.Retry)]
    [InlineData(20, ChannelError.EndpointMissing, ErrorClass.Refused)]
    [InlineData(13, ChannelError.EndpointDenied, ErrorClass.Refused)]
    [InlineData(1, ChannelError.EndpointDenied, ErrorClass.Refused)]
    [InlineData(30, ChannelError.EndpointDenied, ErrorClass.Refused)]
    [InlineData(16, ChannelError.EndpointBusy, ErrorClass.Retry)]
    [InlineData(98, ChannelError.EndpointBusy, ErrorClass.Retry)]
    [InlineData(24, ChannelError.TransportFailed, ErrorClass.Retry)]
    [InlineData(5, ChannelError.TransportFailed, ErrorClass.Retry)]
    public void Each_errno_has_its_code_class_and_advice(int errno, ChannelError code, ErrorClass errorClass)
    {
        var error = EndpointFault.ToException(errno, "open", "/the/place");
        Assert.Equal(code, error.Code);
        Assert.Equal(errorClass, error.Class);
        Assert.Equal(ErrorOrigin.Transport, error.Origin);
        Assert.StartsWith("cannot open /the/place: ", error.Message, StringComparison.Ordinal);
        Assert.Contains($"(errno {errno})", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_structs_have_the_kernels_layout()
    {
        Assert.Equal(12, Abi.EpollEventSize);
        Assert.Equal(8, System.Runtime.CompilerServices.Unsafe.SizeOf<PollFd>());
        Assert.Equal(12, System.Runtime.CompilerServices.Unsafe.SizeOf<PeerCredentials>());
        Assert.Equal(256, System.Runtime.CompilerServices.Unsafe.SizeOf<StatxResult>());
    }
}
