using ChannelSdk.GuestAgent.Sysprep;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Tests.Sysprep;

/// <summary>What is removed from a template, and what is not.</summary>
public sealed class SysprepTests : IDisposable
{
    private static readonly string[] s_traces =
    [
        "etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub", "etc/channel-agent/token", "etc/shadow-", "etc/udev/rules.d/70-persistent-net.rules",
        "home/alice/.bash_history", "home/alice/.ssh/known_hosts", "home/alice/.ssh/known_hosts.old", "root/.viminfo",
        "run/channel-agent/frozen", "tmp/a/b/c", "tmp/.hidden", "var/crash/one", "var/lib/NetworkManager/x.lease", "var/lib/cloud/data/instance-id",
        "var/lib/cloud/instances/i-1/sem/config_ssh", "var/lib/dbus/machine-id", "var/lib/dhcp/dhclient.eth0.leases", "var/lib/dhcpcd/duid",
        "var/lib/systemd/credential.secret", "var/lib/systemd/random-seed", "var/log/apt/history.log", "var/log/journal/0123/system.journal", "var/log/wtmp",
        "var/mail/root", "var/tmp/x",
    ];

    private static readonly string[] s_others =
    [
        "etc/channel-agent/agent.toml", "etc/hostname", "etc/shadow", "etc/ssh/sshd_config", "home/alice/.bashrc", "home/alice/.ssh/authorized_keys",
        "home/alice/.ssh/id_ed25519", "root/.ssh/authorized_keys", "var/lib/apt/lists/x_Packages", "var/lib/cloud/seed/nocloud/meta-data", "var/lib/dhcp/settings",
        "var/spool/cron/crontabs/alice",
    ];

    private readonly TemplateTree _tree = new();

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void Identities_secrets_and_traces_are_removed_and_all_else_stays()
    {
        var id = _tree.Put("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        File.SetUnixFileMode(id, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        foreach (var path in s_traces.Concat(s_others))
        {
            _tree.Put(path);
        }

        var report = Run();

        Assert.False(report.HasFailed);
        Assert.Equal(s_others.Append("etc/machine-id").Order(StringComparer.Ordinal), _tree.Files());
        Assert.Equal(0, new FileInfo(id).Length);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(id));
        Assert.True(Directory.Exists($"{_tree.Root}/var/log/apt"), "a program expects the folder of its logs");
        Assert.False(Directory.Exists($"{_tree.Root}/var/log/journal/0123"), "its name is the machine's id");
        Assert.All(report.Items, static item => Assert.True(item.Entries > 0, $"nothing of {item.Name} was in the tree"));
    }

    [Fact]
    public void A_dry_run_tells_the_same_and_removes_nothing()
    {
        foreach (var path in s_traces)
        {
            _tree.Put(path);
        }

        var before = _tree.Files();
        var dry = Run(isDry: true);
        Assert.Equal(before, _tree.Files());
        var real = Run();

        Assert.Equal(real.Items.Select(static i => (i.Name, i.Entries, i.Bytes)), dry.Items.Select(static i => (i.Name, i.Entries, i.Bytes)));
        Assert.Contains("would remove", dry.Text(), StringComparison.Ordinal);
        Assert.Contains("/etc/ssh/ssh_host_ed25519_key.pub", dry.Text(), StringComparison.Ordinal);
        Assert.Contains($"\"root\":\"{_tree.Root}\",\"dry_run\":true,\"running\":false", dry.Json(), StringComparison.Ordinal);
    }

    [Fact]
    public void Items_that_are_off_are_removed_when_they_are_asked_for()
    {
        foreach (var path in s_others.Append("etc/iscsi/initiatorname.iscsi"))
        {
            _tree.Put(path);
        }

        SysprepRun.Execute(_tree.Root, [.. SysprepItems.All.Where(static i => !i.IsDefault)], isDry: false);

        Assert.Equal(["etc/channel-agent/agent.toml", "etc/shadow", "etc/ssh/sshd_config", "home/alice/.bashrc", "var/lib/cloud/seed/nocloud/meta-data", "var/lib/dhcp/settings"], _tree.Files());
        Assert.True(Directory.Exists($"{_tree.Root}/var/lib/apt/lists"));
    }

    [Fact]
    public void No_link_leads_out_of_the_root()
    {
        foreach (var name in (string[])["syslog", "machine-id", "known_hosts", ".bash_history", "ssh_host_rsa_key"])
        {
            File.WriteAllText($"{_tree.Outside}/{name}", "mine");
        }

        Directory.Delete($"{_tree.Root}/var/log");
        Directory.CreateSymbolicLink($"{_tree.Root}/var/log", _tree.Outside);
        Directory.CreateSymbolicLink($"{_tree.Root}/home/bob", _tree.Outside);
        Directory.CreateSymbolicLink($"{_tree.Root}/etc/ssh", _tree.Outside);
        Directory.CreateSymbolicLink($"{_tree.Root}/tmp/outside", _tree.Outside);
        Directory.CreateSymbolicLink($"{_tree.Root}/var/mail", "../../outside");
        File.CreateSymbolicLink($"{_tree.Root}/etc/machine-id", $"{_tree.Outside}/machine-id");

        var report = Run();

        Assert.Equal(5, Directory.GetFiles(_tree.Outside).Length);
        Assert.All(Directory.GetFiles(_tree.Outside), static file => Assert.Equal("mine", File.ReadAllText(file)));
        Assert.Equal(["etc/machine-id", "etc/ssh", "home/bob", "var/log", "var/mail"], _tree.Files());
        Assert.Equal(["/etc/machine-id"], Item(report, "machine-id").Links);
        Assert.Contains("/var/log is a link, which is not followed", report.Text(), StringComparison.Ordinal);
        Assert.False(report.HasFailed);
    }

    [Fact]
    public void Names_of_any_bytes_are_removed_and_shown_escaped()
    {
        _tree.Put("tmp/\u001b[2J\n");
        _tree.Put("var/log/*");

        var report = Run(isDry: true);
        Run();

        Assert.DoesNotContain("\u001b", report.Text(), StringComparison.Ordinal);
        Assert.Contains("\\u001b", report.Text(), StringComparison.Ordinal);
        Assert.Empty(_tree.Files());
    }

    [Fact]
    public void A_huge_folder_is_removed_and_what_is_told_of_it_is_bounded()
    {
        for (var i = 0; i < 20_000; i++)
        {
            File.WriteAllText($"{_tree.Root}/tmp/{i}", "");
        }

        var dry = Run(isDry: true);
        var report = Run();

        Assert.Equal(20_000, Item(dry, "tmp").Entries);
        Assert.Equal(20_000, Item(report, "tmp").Entries);
        Assert.Equal(SysprepCount.MaxListed, Item(dry, "tmp").Places.Count);
        Assert.Contains("and 19980 more", dry.Text(), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries($"{_tree.Root}/tmp"));
    }

    [Fact]
    public void A_folder_that_is_deeper_than_all_is_left_and_told()
    {
        Directory.CreateDirectory($"{_tree.Root}/tmp/{string.Join('/', Enumerable.Repeat("d", 300))}");
        _tree.Put("tmp/other");

        var report = Run();

        Assert.True(report.HasFailed);
        Assert.Contains("more than 200 folders deep", Item(report, "tmp").Failures.Single(), StringComparison.Ordinal);
        Assert.Empty(_tree.Files());
    }

    [Theory]
    [InlineData("/nonexistent", "there is no such folder")]
    [InlineData("/proc", "it is no root folder of a system")]
    public void A_folder_that_is_no_root_is_refused(string root, string why)
    {
        var e = Assert.Throws<ChannelException>(() => SysprepRun.Execute(root, SysprepItems.All, isDry: false));
        Assert.Equal(ChannelError.BadConfiguration, e.Code);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    private SysprepReport Run(bool isDry = false) => SysprepRun.Execute(_tree.Root, [.. SysprepItems.All.Where(static i => i.IsDefault)], isDry);

    private static SysprepCount Item(SysprepReport report, string name) => report.Items.Single(i => i.Name == name);
}
