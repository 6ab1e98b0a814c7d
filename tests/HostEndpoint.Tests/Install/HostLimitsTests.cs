using System.Net;
using ChannelSdk.Install.Limits;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>The administrator's file, and what channelctl refuses by it.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class HostLimitsTests : IDisposable
{
    private const string Full = """
        # of this host
        [install]
        deadline = 60
        forbid = ["trusted"]
        appliance = "/srv/appliance/"
        package_networks = ["10.1.0.0/16"]
        mirrors = ["http://deb.example.org/debian/", "https://deb.example.org/"]
        mirror_networks = ["10.3.0.0/16"]
        """;

    private readonly InstallRig _rig = new();

    public void Dispose() => _rig.Dispose();

    private string Write(string content)
    {
        File.WriteAllText(_rig.At("host.toml"), content);
        return _rig.At("host.toml");
    }

    private async Task<(int Code, string Out, string Error)> CreateAsync(string limits, params string[] options) =>
        await ToolRun.RunLimitedAsync(TimeSpan.FromSeconds(60), limits, ["install", "create", "vm1", "--state", _rig.State, "--definitions", _rig.At("definitions"), .. options]);

    [Fact]
    public void Without_the_file_there_are_no_limits()
    {
        foreach (var path in (string[])[_rig.At("host.toml"), _rig.At("nonexistent", "host.toml")])
        {
            var limits = HostLimits.Load(path);
            Assert.Equal(TimeSpan.FromDays(7), limits.DeadlineOf(TimeSpan.FromDays(7), TimeSpan.FromMinutes(30)));
            Assert.Equal("/a", limits.ApplianceOf("/a"));
            Assert.Equal([IPNetwork.Parse("10.0.0.0/8")], limits.PackageNetworksOf([IPNetwork.Parse("10.0.0.0/8")]));
            Assert.Equal([IPNetwork.Parse("10.0.0.0/8")], limits.MirrorNetworksOf([IPNetwork.Parse("10.0.0.0/8")]));
            Assert.Empty(limits.MirrorsOf([]));
            Assert.Equal([new Uri("http://any.example.org/")], limits.MirrorsOf([new Uri("http://any.example.org/")]));
            Assert.False(limits.PolicyOf(false, false, []).ForbidTrusted);
            Assert.True(limits.PolicyOf(true, false, []).ForbidTrusted);
            Assert.False(limits.PolicyOf(true, false, []).ConfineAll);
            Assert.True(limits.PolicyOf(false, true, []).ConfineAll);
        }
    }

    [Fact]
    public void Appliances_have_users_of_the_usual_range_unless_the_file_says_otherwise()
    {
        Assert.Equal(UserRange.Appliances, HostLimits.Load(_rig.At("host.toml")).ApplianceUsers);
        Assert.Equal(new UserRange(70_000, 70_999), HostLimits.Load(Write("[install]\nappliance_users = \"70000-70999\"\n")).ApplianceUsers);
        Assert.Null(HostLimits.Load(Write("[install]\nappliance_users = \"none\"\n")).ApplianceUsers);
    }

    [Fact]
    public void What_is_asked_for_holds_within_the_limits_and_their_own_values_without_it()
    {
        var limits = HostLimits.Load(Write(Full));
        Assert.Equal(TimeSpan.FromSeconds(60), limits.DeadlineOf(TimeSpan.FromSeconds(60), TimeSpan.FromMinutes(30)));
        Assert.Equal(TimeSpan.FromSeconds(60), limits.DeadlineOf(null, TimeSpan.FromMinutes(30)));
        Assert.Equal(TimeSpan.FromSeconds(5), limits.DeadlineOf(null, TimeSpan.FromSeconds(5)));
        Assert.Equal("/srv/appliance/", limits.ApplianceOf(null));
        Assert.Equal("/srv/appliance/", limits.ApplianceOf("/srv/../srv/appliance"));
        Assert.Equal([IPNetwork.Parse("10.1.0.0/16")], limits.PackageNetworksOf([IPNetwork.Parse("10.1.2.0/24")]));
        Assert.Equal([IPNetwork.Parse("10.3.0.0/16")], limits.MirrorNetworksOf([]));
        Assert.Equal([new Uri("http://deb.example.org/debian/"), new Uri("https://deb.example.org/")], limits.MirrorsOf([]));
        Assert.Equal([new Uri("http://deb.example.org/debian/pool/")], limits.MirrorsOf([new Uri("http://deb.example.org/debian/pool/")]));
        Assert.True(limits.PolicyOf(false, false, []).ForbidTrusted);
    }

    [Fact]
    public async Task The_file_says_which_definitions_run_in_the_appliance_alone()
    {
        _rig.Write("os/untrusted/create", "#!/bin/sh\n");
        _rig.Write("os/create", "#!/bin/sh\n");
        var limits = Write("[install]\nconfine = [\"noop\", \"os\"]\nconfine_files = [\"/etc/ganeti/os\"]\n");
        Assert.Equal(["/etc/ganeti/os", "/etc/mine"], HostLimits.Load(limits).PolicyOf(false, false, ["/etc/mine"]).ConfineFiles);
        var policy = HostLimits.Load(limits).PolicyOf(false, false, []);
        Assert.False(policy.ConfineAll);
        Assert.Equal(["noop", "os"], policy.ConfineOf.Order());
        Assert.Contains($"confines the OS definition os to the appliance ({limits}:2), and {_rig.At("definitions", "os", "create")} is for the host", (await CreateAsync(limits)).Error);
        Assert.True(HostLimits.Load(Write("[install]\nconfine = [\"all\"]\n")).PolicyOf(false, false, []).ConfineAll);
        Assert.Contains("(--confine)", (await CreateAsync(_rig.At("none"), "--confine")).Error);
    }

    [Theory]
    [InlineData("host.toml:3: a deadline of at most 60 s is allowed on this host, not 61 s (--deadline)", "--deadline", "61")]
    [InlineData("host.toml:5: no other appliance than /srv/appliance/ is allowed on this host (--appliance)", "--appliance", "/srv/other")]
    [InlineData("host.toml:6: packages may not come from 10.0.0.0/8 on this host (--package-network)", "--package-network", "10.0.0.0/8")]
    [InlineData("host.toml:6: packages may not come from 10.2.0.0/16 on this host (--package-network)", "--package-network", "10.1.1.0/24", "--package-network", "10.2.0.0/16")]
    [InlineData("host.toml:7: appliances may not fetch from http://deb.example.org/debian-security/ on this host (--mirror)", "--mirror", "http://deb.example.org/debian-security/")]
    [InlineData("host.toml:7: appliances may not fetch from http://other.example.org/debian/ on this host (--mirror)", "--mirror", "http://other.example.org/debian/")]
    [InlineData("host.toml:8: mirrors may not be in 10.1.0.0/16 on this host (--mirror-network)", "--mirror-network", "10.1.0.0/16")]
    public async Task An_option_beyond_a_limit_is_refused_with_its_line(string said, params string[] options)
    {
        var result = await CreateAsync(Write(Full), options);
        Assert.Equal(4, result.Code);
        Assert.Contains(_rig.At(said), result.Error);
        Assert.Empty(_rig.Open().List());
    }

    [Fact]
    public async Task A_script_for_the_host_is_refused_with_the_line_that_forbids_it()
    {
        _rig.Write("os/create", "#!/bin/sh\n");
        var limits = Write("[install]\nforbid = [\"trusted\"]\n");
        var result = await CreateAsync(limits);
        Assert.Equal(4, result.Code);
        Assert.Contains($"forbids scripts of the OS definition os on the host ({limits}:2)", result.Error);
        Assert.Contains("(--forbid-trusted)", (await CreateAsync(_rig.At("none"), "--forbid-trusted")).Error);
    }

    [Fact]
    public async Task An_operation_without_a_deadline_has_the_greatest_that_is_allowed()
    {
        _rig.Write("os/create", "#!/bin/sh\n");
        Assert.Equal((0, ""), await CreateAsync(Write("[install]\ndeadline = 59\n")) is var result ? (result.Code, result.Error) : default);
        Assert.Equal((0, ""), await CreateAsync(_rig.At("none")) is var free ? (free.Code, free.Error) : default);
        Assert.Equal([1800.0, 59.0], _rig.Open().List().Select(operation => (operation.Deadline - operation.Started).TotalSeconds));
    }

    [Theory]
    [InlineData("[install]\nforbid = [\"untrusted\"]", "host.toml:2: [install] forbid: 'untrusted' is nothing that can be forbidden; known are")]
    [InlineData("[install]\nconfine = [\"../os\"]", "host.toml:2: [install] confine: '../os' is no name of an OS definition")]
    [InlineData("[install]\nconfine_files = [\"etc\"]", "host.toml:2: [install] confine_files: 'etc' is no absolute path")]
    [InlineData("[install]\ndeadline = 0", "host.toml:2: [install] deadline: 0 is not allowed; allowed is a whole number from 1 to 604800")]
    [InlineData("[install]\nappliance_users = \"9-8\"", "host.toml:2: [install] appliance_users: \"9-8\" is not allowed; allowed is a range of users such as \"1879048192-1879113727\", or \"none\"")]
    [InlineData("[install]\nappliance = \"relative\"", "host.toml:2: [install] appliance: \"relative\" is not allowed; allowed is the absolute path")]
    [InlineData("[install]\npackage_networks = [\"10.1.0.0\"]", "host.toml:2: [install] package_networks: '10.1.0.0' is no network")]
    [InlineData("[install]\nmirrors = [\"https://deb.example.org/debian/\"]", "host.toml:2: [install] mirrors: the mirror https://deb.example.org/debian/: what an appliance asks an https server is encrypted")]
    [InlineData("[install]\nmirrors = [\"deb.example.org\"]", "host.toml:2: [install] mirrors: 'deb.example.org' is no URL")]
    [InlineData("[installs]\n", "host.toml:1: ")]
    public async Task A_mistake_in_the_file_is_told_with_its_line_and_nothing_begins(string content, string said)
    {
        var result = await CreateAsync(Write(content));
        Assert.Equal(2, result.Code);
        Assert.Contains(said, result.Error);
    }

    [Fact]
    public void A_file_that_others_can_change_or_that_is_a_link_is_refused()
    {
        var path = Write(Full);
        File.SetUnixFileMode(path, File.GetUnixFileMode(path) | UnixFileMode.OtherWrite);
        Assert.Contains("everybody may write it, and it says what may be installed on this host", Assert.Throws<ChannelException>(() => HostLimits.Load(path)).Message);
        File.Delete(path);
        File.CreateSymbolicLink(path, _rig.Disk);
        Assert.Contains("it is a link", Assert.Throws<ChannelException>(() => HostLimits.Load(path)).Message);
        File.Delete(path);
        Write(Full);
        var folder = Path.GetDirectoryName(path)!;
        File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupWrite);
        Assert.Contains("its group may write it, and a file in it says what may be installed", Assert.Throws<ChannelException>(() => HostLimits.Load(path)).Message);
    }
}
