using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.VirtioSerial;
using Xunit;

namespace ChannelSdk.Transports.Tests.VirtioSerial;

public sealed class VirtioPortLocatorTests : IDisposable
{
    private readonly TestDirectory _root = new();
    private readonly VirtioPortLocator _locator;

    public VirtioPortLocatorTests()
    {
        Directory.CreateDirectory(_root["dev"]);
        _locator = new VirtioPortLocator(_root["dev"], _root["class"]);
    }

    public void Dispose() => _root.Dispose();

    [Fact]
    public void A_path_is_taken_as_it_is() => Assert.Equal("/dev/vport0p9", _locator.Locate("/dev/vport0p9"));

    [Fact]
    public void A_name_that_udev_made_a_link_for_is_used()
    {
        Directory.CreateDirectory(_root["dev/virtio-ports"]);
        File.WriteAllText(_root["dev/virtio-ports/chan.0"], "");
        Assert.Equal(_root["dev/virtio-ports/chan.0"], _locator.Locate("chan.0"));
    }

    [Fact]
    public void Without_udev_the_name_is_looked_up_in_sysfs()
    {
        AddPort("vport0p1", "other.0");
        AddPort("vport1p2", "chan.0");
        Directory.CreateDirectory(_root["class/vport1p3"]);
        Assert.Equal(_root["dev/vport1p2"], _locator.Locate("chan.0"));
    }

    [Fact]
    public void A_name_that_is_not_there_is_missing_for_now_and_the_others_are_listed()
    {
        AddPort("vport0p1", "other.0");
        AddPort("vport0p2", "");
        var error = Assert.Throws<ChannelException>(() => _locator.Locate("chan.0"));
        Assert.Equal(ChannelError.EndpointMissing, error.Code);
        Assert.Equal(ErrorClass.Retry, error.Class);
        Assert.Contains("chan.0", error.Message, StringComparison.Ordinal);
        Assert.Contains("ports that are there: other.0;", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_without_any_port_gets_the_device_option()
    {
        var error = Assert.Throws<ChannelException>(() => _locator.Locate("chan.0"));
        Assert.Contains("virtserialport,chardev=chan0,name=chan.0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_device_file_is_missing_for_now()
    {
        await using var endpoint = TransportEndpoints.Create($"virtio-port://{_root["dev/none"]}");
        var error = await Assert.ThrowsAsync<ChannelException>(
            () => endpoint.OpenAsync(CancellationToken.None).Within());
        Assert.Equal(ChannelError.EndpointMissing, error.Code);
        Assert.Equal(ErrorClass.Retry, error.Class);
        Assert.Contains("virtserialport", error.Message, StringComparison.Ordinal);
    }

    private void AddPort(string device, string name)
    {
        Directory.CreateDirectory(_root[$"class/{device}"]);
        File.WriteAllText(_root[$"class/{device}/name"], name + "\n");
    }
}
