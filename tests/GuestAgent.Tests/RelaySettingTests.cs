using ChannelSdk.GuestAgent.Configuration;

namespace ChannelSdk.GuestAgent.Tests;

public class RelaySettingTests
{
    [Theory]
    [InlineData("auto", "virtio-port://x", false, "169.254.169.254:80")]
    [InlineData("auto", "vsock://2:5000", false, "169.254.169.254:80")]
    [InlineData("auto", "virtio-port://x", true, null)]
    [InlineData("auto", "tcp://169.254.169.254:9254", false, null)]
    [InlineData("auto", "unix-listen:///run/x", false, null)]
    [InlineData("off", "virtio-port://x", false, null)]
    [InlineData("127.0.0.1:8080", "unix-listen:///run/x", true, "127.0.0.1:8080")]
    public void The_relay_listens_where_it_hides_no_other_server_or_where_it_is_told_to(string setting, string endpoint, bool hasNetwork, string? place) =>
        Assert.Equal(place, RelaySetting.Parse(setting)!.PlaceFor(endpoint, hasNetwork)?.ToString());

    [Theory]
    [InlineData("on")]
    [InlineData("169.254.169.254")]
    [InlineData("[::1]:80")]
    [InlineData("127.0.0.1:0")]
    public void Another_setting_is_refused(string setting) => Assert.Null(RelaySetting.Parse(setting));
}
