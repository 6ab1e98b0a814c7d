using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Guest.Tests;

/// <summary>A Debian template that was cleaned while it ran, and the guests of its image.</summary>
[Collection("debian guest")]
public sealed class SysprepTests : IDisposable
{
    private const string User = "#cloud-config\nssh_genkeytypes: [ed25519]\n";
    private static readonly TimeSpan s_boot = TimeSpan.FromMinutes(5);
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-sysprep-").FullName;

    private string Disk => Path.Combine(_folder, "template.img");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Two_guests_of_a_cleaned_template_have_ids_and_keys_of_their_own_and_can_be_logged_in_to()
    {
        await MakeTemplateAsync();
        var template = await CleanAsync();
        foreach (var gone in (string[])["/etc/ssh/ssh_host_ed25519_key", "/var/lib/systemd/random-seed", "/root/.bash_history", "/var/lib/cloud/instances", "/etc/channel-agent/token"])
        {
            Assert.True((await DebugFsAsync($"stat {gone}")).Contains("File not found", StringComparison.Ordinal), $"{gone} is in the image");
        }

        Assert.Contains("Size: 0", await DebugFsAsync("stat /etc/machine-id"), StringComparison.Ordinal);
        Assert.Contains("Type: regular", await DebugFsAsync("stat /var/lib/cloud/seed/nocloud/meta-data"), StringComparison.Ordinal);

        var (one, two) = (await LookAsync(), await LookAsync());

        Assert.Equal(3, new[] { template.Id, one.Id, two.Id }.Distinct().Count());
        Assert.Equal(3, new[] { template.Key, one.Key, two.Key }.Distinct().Count());
        Assert.All([one, two], static guest => Assert.Matches("^[0-9a-f]{32}$", guest.Id));
        Assert.All([one, two], static guest => Assert.StartsWith("SSH-2.0-OpenSSH", guest.Ssh, StringComparison.Ordinal));
    }

    private async Task<(string Id, string Key)> CleanAsync()
    {
        await using var guest = await DebianGuest.BootDiskAsync(Disk, keepsWrites: true);
        await using var console = await ReadyAsync(guest);
        var (id, key, _) = await OfAsync(console);
        await console.ShAsync("echo 'passwd secret' > /root/.bash_history; echo token > /etc/channel-agent/token");
        var told = await console.ShAsync("unset HISTFILE; systemctl stop systemd-random-seed; channel-agent sysprep --root /; echo code $?");
        Assert.Contains("this system runs: stop it now", told, StringComparison.Ordinal);
        Assert.EndsWith("code 0", told, StringComparison.Ordinal);
        // The agent serves its host until the end.
        Assert.Contains("\"state\":\"", await console.ShAsync("channel-agent status --json"), StringComparison.Ordinal);
        // Its output ends with the guest.
        _ = console.ShAsync("systemctl poweroff").ContinueWith(static ended => _ = ended.Exception, TaskScheduler.Default);
        await guest.Exited.WaitAsync(DebianGuest.Soon);
        return (id, key);
    }

    private async Task<(string Id, string Key, string Ssh)> LookAsync()
    {
        await using var guest = await DebianGuest.BootDiskAsync(Disk, keepsWrites: false);
        await using var console = await ReadyAsync(guest);
        return await OfAsync(console);
    }

    private static async Task<GuestConsole> ReadyAsync(QemuGuest guest)
    {
        var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        // What is typed before the login is thrown away by it.
        await console.WaitForAsync("root@", s_boot);
        await console.ShAsync("stty -echo; PS1=; cloud-init status --wait >/dev/null 2>&1; i=0; until systemctl is-active -q ssh || [ $i = 60 ]; do sleep 1; i=$((i+1)); done", s_boot);
        return console;
    }

    private static async Task<(string Id, string Key, string Ssh)> OfAsync(GuestConsole console) => (
        await console.ShAsync("cat /etc/machine-id"),
        await console.ShAsync("cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub"),
        await console.ShAsync("exec 3<>/dev/tcp/127.0.0.1/22 && head -n 1 <&3; exec 3>&-"));

    /// <summary>The disk of the fixture, with data for cloud-init on it.</summary>
    private async Task MakeTemplateAsync()
    {
        await DiskGuest.RunAsync("cp", "--sparse=always", DebianGuest.Disk, Disk);
        var (meta, user) = (Path.Combine(_folder, "meta-data"), Path.Combine(_folder, "user-data"));
        await File.WriteAllTextAsync(meta, "instance-id: template\n");
        await File.WriteAllTextAsync(user, User);
        foreach (var command in (string[])
            ["mkdir /var/lib/cloud", "mkdir /var/lib/cloud/seed", "mkdir /var/lib/cloud/seed/nocloud", $"write {meta} /var/lib/cloud/seed/nocloud/meta-data", $"write {user} /var/lib/cloud/seed/nocloud/user-data"])
        {
            await DiskGuest.RunAsync("debugfs", "-w", "-R", command, Disk);
        }
    }

    // What is not there is told on its standard error.
    private async Task<string> DebugFsAsync(string command)
    {
        var output = Path.Combine(_folder, "debugfs");
        await DiskGuest.RunAsync("sh", "-c", $"debugfs -R '{command}' {Disk} > {output} 2>&1");
        return await File.ReadAllTextAsync(output);
    }
}
