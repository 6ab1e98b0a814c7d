using System.Text.Json;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Qga;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>The face is under the same policy, audit and lease as the channel.</summary>
public sealed class QgaPolicyTests
{
    [Fact]
    public async Task What_the_default_policy_denies_is_denied_here_too_and_noted()
    {
        await using var rig = new QgaRig(policy: "");
        var client = await rig.ConnectAsync();
        Assert.Equal(("CommandNotFound", "Command guest-exec has been disabled: the image's policy allows no command ([[exec]])"),
            await client.FailAsync("guest-exec", "{\"path\":\"/bin/true\"}"));
        Assert.Equal("CommandNotFound", (await client.FailAsync("guest-set-user-password", "{\"username\":\"root\",\"password\":\"eA==\",\"crypted\":false}")).Class);
        Assert.Equal("CommandNotFound", (await client.FailAsync("guest-ssh-add-authorized-keys", "{\"username\":\"root\",\"keys\":[\"ssh-ed25519 A\"]}")).Class);
        Assert.Equal(("GenericError", "the image's policy allows no writing ([files] write)"),
            await client.FailAsync("guest-file-open", $"{{\"path\":\"{rig.Folder}/x\",\"mode\":\"w\"}}"));
        Assert.Contains(rig.Lines, static line => line.Contains("audit: refused files.Write by guest-file-open", StringComparison.Ordinal));
        Assert.False(File.Exists($"{rig.Folder}/x"));
    }

    [Fact]
    public async Task Folders_programs_and_methods_are_those_of_the_policy()
    {
        await using var rig = new QgaRig(policy: "[services]\ndeny = [\"power.*\"]\n[files]\nread = [\"/etc\"]\nwrite = [\"/nowhere\"]\n[[exec]]\nprogram = \"/bin/echo\"\narguments = [\"a\"]\n");
        var client = await rig.ConnectAsync();
        Assert.Contains("does not allow power.Request", (await client.FailAsync("guest-shutdown", "{}")).Text, StringComparison.Ordinal);
        Assert.Contains("readable folders", (await client.FailAsync("guest-file-open", "{\"path\":\"/proc/version\"}")).Text, StringComparison.Ordinal);
        Assert.Contains("writable folders", (await client.FailAsync("guest-file-open", $"{{\"path\":\"{rig.Folder}/x\",\"mode\":\"a\"}}")).Text, StringComparison.Ordinal);
        Assert.Contains("writable folders", (await client.FailAsync("guest-ssh-add-authorized-keys", "{\"username\":\"root\",\"keys\":[\"ssh-ed25519 A\"]}")).Text, StringComparison.Ordinal);
        Assert.Contains("[[exec]]", (await client.FailAsync("guest-exec", "{\"path\":\"/bin/echo\",\"arg\":[\"b\"]}")).Text, StringComparison.Ordinal);
        await client.CallAsync("guest-exec", "{\"path\":\"/bin/echo\",\"arg\":[\"a\"]}");
        Assert.Empty(rig.Power.Done);
    }

    [Fact]
    public async Task A_link_is_followed_where_the_policy_allows_the_place_that_it_leads_to()
    {
        await using var rig = new QgaRig();
        Directory.CreateDirectory($"{rig.Folder}/real");
        File.WriteAllText($"{rig.Folder}/real/file", "x");
        File.CreateSymbolicLink($"{rig.Folder}/away", "/etc/hostname");
        File.CreateSymbolicLink($"{rig.Folder}/near", "real/file");
        File.CreateSymbolicLink($"{rig.Folder}/folder", "real");
        var client = await rig.ConnectAsync();

        foreach (var path in (string[])["/etc/os-release", "/etc//hostname", "/etc/../etc/hostname", $"{rig.Folder}/away", $"{rig.Folder}/near", $"{rig.Folder}/folder/../real/file"])
        {
            await client.CallAsync("guest-file-open", $"{{\"path\":\"{path}\"}}");
        }

        await client.CallAsync("guest-file-open", $"{{\"path\":\"{rig.Folder}/folder//new\",\"mode\":\"w\"}}");
        Assert.True(File.Exists($"{rig.Folder}/real/new"));
        foreach (var path in (string[])["away", "folder/../../../../etc/hostname", "../x"])
        {
            Assert.Contains("writable folders", (await client.FailAsync("guest-file-open", $"{{\"path\":\"{rig.Folder}/{path}\",\"mode\":\"a\"}}")).Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_link_or_a_parent_part_leads_past_no_rule()
    {
        await using var rig = new QgaRig(policy: "[files]\nread = [\"/tmp\"]\n");
        File.CreateSymbolicLink($"{rig.Folder}/link", "/etc/passwd");
        File.CreateSymbolicLink($"{rig.Folder}/etc", "/etc");
        var client = await rig.ConnectAsync();
        foreach (var path in (string[])["link", "etc/passwd", "etc/../etc/passwd", "../../../etc/passwd", "../../..//etc/passwd"])
        {
            Assert.Contains("readable folders", (await client.FailAsync("guest-file-open", $"{{\"path\":\"{rig.Folder}/{path}\"}}")).Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Devices_are_not_opened()
    {
        await using var rig = new QgaRig();
        Assert.Contains("is a device", (await (await rig.ConnectAsync()).FailAsync("guest-file-open", "{\"path\":\"/dev/zero\"}")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_shutdown_has_no_reply_and_goes_the_power_services_way()
    {
        await using var rig = new QgaRig();
        rig.Power.Paths.UnionWith(["/run/systemd/system", "/usr/bin/systemctl"]);
        var client = await rig.ConnectAsync();
        await client.SendAsync("{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"reboot\"}}{\"execute\":\"guest-ping\"}");
        Assert.Equal("{}", (await client.ReadAsync()).GetProperty("return").ToString());
        Assert.True(SpinWait.SpinUntil(() => !rig.Power.Done.IsEmpty, TimeSpan.FromSeconds(20)));
        Assert.Equal(["/usr/bin/systemctl reboot"], rig.Power.Done);
        Assert.Contains(rig.Lines, static line => line.Contains("allowed power.Request by guest-shutdown", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_clock_is_set_to_the_requested_time()
    {
        await using var rig = new QgaRig();
        var client = await rig.ConnectAsync();
        await client.CallAsync("guest-set-time", "{\"time\":1800000000000000000}");
        Assert.Equal(1800000000000000000, rig.ClockSetTo);
        Assert.Equal("GenericError", (await client.FailAsync("guest-set-time", "{\"time\":-1}")).Class);
    }

    [Fact]
    public async Task While_frozen_only_the_way_out_is_enabled_and_the_info_says_so()
    {
        await using var rig = new QgaRig();
        var client = await rig.ConnectAsync();
        Assert.Equal(2, (await client.CallAsync("guest-fsfreeze-freeze")).GetInt32());
        Assert.Equal("frozen", (await client.CallAsync("guest-fsfreeze-status")).GetString());
        Assert.Equal(("CommandNotFound", "Command guest-file-open has been disabled: the agent is in frozen state"), await client.FailAsync("guest-file-open", "{\"path\":\"/etc/hostname\"}"));
        Assert.Equal(("CommandNotFound", "Command guest-fsfreeze-freeze has been disabled: the agent is in frozen state"), await client.FailAsync("guest-fsfreeze-freeze", "{}"));
        var info = await client.CallAsync("guest-info");
        Assert.Equal(["guest-fsfreeze-status", "guest-fsfreeze-thaw", "guest-info", "guest-ping", "guest-sync", "guest-sync-delimited"],
            info.GetProperty("supported_commands").EnumerateArray().Where(static command => command.GetProperty("enabled").GetBoolean())
                .Select(static command => command.GetProperty("name").GetString()).Order());
        await client.CallAsync("guest-ping");
        Assert.Equal(2, (await client.CallAsync("guest-fsfreeze-thaw")).GetInt32());
        Assert.Equal(0, (await client.CallAsync("guest-fsfreeze-thaw")).GetInt32());
        Assert.Empty(rig.Freeze.Frozen);
    }

    [Fact]
    public async Task A_freeze_of_named_mounts_freezes_these()
    {
        await using var rig = new QgaRig();
        var client = await rig.ConnectAsync();
        Assert.Equal(1, (await client.CallAsync("guest-fsfreeze-freeze-list", "{\"mountpoints\":[\"/data\"]}")).GetInt32());
        Assert.Equal(["254:16"], rig.Freeze.Frozen);
        await client.CallAsync("guest-fsfreeze-thaw");
    }

    [Fact]
    public async Task A_freeze_ends_by_itself_and_the_late_thaw_is_told()
    {
        await using var rig = new QgaRig(static config => config with { QgaFreezeLease = TimeSpan.FromSeconds(1) });
        var client = await rig.ConnectAsync();
        await client.CallAsync("guest-fsfreeze-freeze");
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await client.CallAsync("guest-fsfreeze-status")).GetString() != "thawed")
        {
            soon.Token.ThrowIfCancellationRequested();
        }

        Assert.Empty(rig.Freeze.Frozen);
        var (errorClass, text) = await client.FailAsync("guest-fsfreeze-thaw", "{}");
        Assert.Equal("GenericError", errorClass);
        Assert.Contains("the lease of 1 s ended", text, StringComparison.Ordinal);
        Assert.Equal(0, (await client.CallAsync("guest-fsfreeze-thaw")).GetInt32());
    }

    [Fact]
    public async Task A_freeze_that_fails_says_why_and_leaves_nothing_frozen()
    {
        await using var rig = new QgaRig();
        rig.Freeze.FreezeErrors["/"] = 5;
        var client = await rig.ConnectAsync();
        Assert.Contains("failed to freeze: ", (await client.FailAsync("guest-fsfreeze-freeze", "{}")).Text, StringComparison.Ordinal);
        Assert.Empty(rig.Freeze.Frozen);
        await client.CallAsync("guest-get-time");
    }

    [Fact]
    public async Task A_trim_tells_each_mount()
    {
        await using var rig = new QgaRig();
        var paths = (await (await rig.ConnectAsync()).CallAsync("guest-fstrim")).GetProperty("paths");
        Assert.Contains(paths.EnumerateArray(), static path => path.GetProperty("path").GetString() == "/data" && path.GetProperty("trimmed").GetInt64() == 4096);
    }

    [Theory]
    [InlineData("guest-get-disks")]
    [InlineData("guest-get-diskstats")]
    [InlineData("guest-get-cpustats")]
    [InlineData("guest-network-get-route")]
    public async Task Lists_of_facts_are_lists(string command)
    {
        await using var rig = new QgaRig();
        Assert.Equal(JsonValueKind.Array, (await (await rig.ConnectAsync()).CallAsync(command)).ValueKind);
    }

    [Theory]
    [InlineData("auto", "virtio-port://org.qemu.guest_agent.0")]
    [InlineData("off", null)]
    [InlineData("/dev/virtio-ports/x", "virtio-port:///dev/virtio-ports/x")]
    [InlineData("/run/qga.sock", "unix-listen:///run/qga.sock")]
    public void The_setting_names_a_port_or_a_socket(string value, string? uri) => Assert.Equal(uri, QgaSetting.Parse(value)!.Uri);

    [Fact]
    public void A_mistyped_command_in_a_list_is_an_error_and_not_an_open_door()
    {
        var thrown = Assert.Throws<ChannelException>(() => new QgaRig(policy: "[qga]\ndeny = [\"guest-exce\"]"));
        Assert.Equal("agent.toml:2: [qga] deny: there is no command 'guest-exce'; did you mean 'guest-exec'?", thrown.Message);
    }
}
