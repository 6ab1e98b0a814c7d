using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>A Debian that was cleaned while it ran, and the guests of its image.</summary>
[Collection("debian template")]
public sealed class SysprepTests(DebianTemplate template)
{
    private const string Mark = "said-in-the-template";

    [Fact]
    public async Task Two_guests_of_a_cleaned_template_have_nothing_of_it_and_are_two()
    {
        var (image, content) = (template.At("image.qcow2"), template.At("content"));
        await CleanAsync(image);
        Directory.CreateDirectory(content);
        await DiskGuest.RunAsync("qemu-img", "convert", "-O", "raw", image, template.At("image.raw"));
        foreach (var folder in (string[])["etc", "home", "root", "var"])
        {
            await DiskGuest.RunAsync("debugfs", "-R", $"rdump /{folder} {content}", template.At("image.raw"));
        }

        Assert.Empty(Directory.EnumerateFiles(Path.Combine(content, "etc/ssh"), "ssh_host_*"));
        Assert.Equal("", await File.ReadAllTextAsync(Path.Combine(content, "etc/machine-id")));
        foreach (var word in (string[])[Mark, template.Identity.MachineId, template.Identity.HostKey, template.Identity.Address])
        {
            Assert.Equal($"{word} is in ", $"{word} is in {await DiskGuest.RunAsync("sh", "-c", $"cd {content} && grep -rlaF '{word}' . || true")}");
        }

        var both = await Task.WhenAll(LookAsync(image, "first", 0x21), LookAsync(image, "second", 0x22));

        GuestIdentity[] all = [template.Identity, .. both];
        Assert.Equal(["guest", "first", "second"], all.Select(static one => one.HostName));
        foreach (var part in (Func<GuestIdentity, string>[])[static one => one.MachineId, static one => one.HostKey, static one => one.Address])
        {
            Assert.Equal(3, all.Select(part).Distinct().Count());
            Assert.DoesNotContain("", all.Select(part));
        }
    }

    /// <summary>Cleans a running copy as docs/SNAPSHOT.md says, and makes an image of its disk.</summary>
    private async Task CleanAsync(string image)
    {
        await using var copy = await template.CopyAsync();
        Assert.Equal("", (await copy.CompleteAsync(SnapshotOrigin.Restored)).Failure);
        // cloud-init makes host keys, or as here a line of the unit.
        await copy.ShAsync("mkdir /etc/systemd/system/ssh.service.d; printf '[Service]\\nExecStartPre=\\nExecStartPre=/usr/bin/ssh-keygen -A\\nExecStartPre=/usr/sbin/sshd -t\\n' > /etc/systemd/system/ssh.service.d/keys.conf");
        await copy.ShAsync($"for f in /root/.bash_history /root/.ssh/known_hosts /etc/channel-agent/token /var/lib/dhcp/dhclient.eth0.leases /var/tmp/file /var/log/app.log; do mkdir -p $(dirname $f); echo {Mark} > $f; done");
        var told = await copy.ShAsync("unset HISTFILE; systemctl stop systemd-random-seed; journalctl --relinquish-var; channel-agent sysprep --root / --also hostname; echo code $?");
        Assert.Contains("this system runs: stop it now", told, StringComparison.Ordinal);
        Assert.EndsWith("code 0", told, StringComparison.Ordinal);
        // The agent serves its host until the end.
        await (await copy.AttachAsync()).Power.ShutdownAsync(cancellationToken: DebianGuest.Soon);
        await copy.Guest.Exited.WaitAsync(DebianGuest.Soon);
        File.Move(copy.Disk, image);
    }

    private async Task<GuestIdentity> LookAsync(string image, string name, byte address)
    {
        var disk = template.At($"{name}.qcow2");
        await DiskGuest.RunAsync("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, disk);
        await using var guest = await template.BootAsync(disk, $"systemd.hostname={name}", address);
        return await guest.IdentityAsync(template.Lan);
    }
}
