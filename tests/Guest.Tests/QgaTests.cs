using System.Text;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Freeze;
using ChannelSdk.Host.Power;
using ChannelSdk.Host.Qga;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Guest.Tests;

/// <summary>The host's calls against Debian's own qemu-ga in a guest, and against its known faults.</summary>
[Collection("guest")]
public class QgaTests
{
    private static CancellationToken Soon => SavedGuest.Soon;

    [Fact]
    public async Task A_guest_with_qemu_ga_alone_is_driven_by_the_typed_calls()
    {
        await using var guest = await QgaGuest.BootAsync();
        var (host, instance) = await guest.AttachAsync();
        await using var _ = host;
        Assert.Equal(AgentKind.QemuGuestAgent, instance.Agent);
        Assert.True(await instance.Info.PingAsync(Soon) > TimeSpan.Zero);
        var info = await instance.Info.GetAsync(Soon);
        Assert.Equal(("guest", "ChannelSdk test guest"), (info.HostName, info.Os!.PrettyName));
        Assert.Matches(@"^qemu-ga \d+\.\d+", info.Agent!.Version);
        Assert.Contains(info.FileSystems, static mount => mount.Mount == "/mnt");

        var content = new byte[3_000_001];
        new Random(1).NextBytes(content);
        var (source, back) = (Path.Combine(guest.Folder, "source"), Path.Combine(guest.Folder, "back"));
        await File.WriteAllBytesAsync(source, content);
        await instance.Files.CopyInAsync(source, "/mnt/copy", cancellationToken: Soon);
        Assert.Contains(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content)), await guest.Console.ShAsync("sha256sum /mnt/copy"));
        await instance.Files.CopyOutAsync("/mnt/copy", back, cancellationToken: Soon);
        Assert.Equal(content, await File.ReadAllBytesAsync(back));
        var result = await instance.Exec.RunAsync(new() { Command = ["/bin/sh", "-c", "echo here; exit 3"] }, cancellationToken: Soon);
        Assert.Equal((3, "here\n"), (result.Exit.Code, Encoding.UTF8.GetString(result.Output.Span)));

        var report = await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(60), cancellationToken: Soon);
        Assert.Equal(FreezeState.Frozen, report.State);
        await guest.Console.ShAsync("(echo new > /mnt/late; echo through > /tmp/written) & sleep 1");
        Assert.DoesNotContain("through", await guest.Console.ShAsync("cat /tmp/written 2>/dev/null"));
        Assert.Equal(FreezeState.Thawed, (await instance.Freeze.ThawAsync(cancellationToken: Soon)).State);
        Assert.Contains("through", await guest.Console.ShAsync("wait; cat /tmp/written"));

        var gone = instance.Power.WaitGoneAsync(guest.Guest.Exited, Soon);
        Assert.True((await instance.Power.ShutdownAsync(cancellationToken: Soon)).Accepted);
        Assert.Equal(Departure.Asked, await gone);
    }

    [Fact]
    public async Task The_lease_of_a_freeze_is_kept_by_the_host()
    {
        await using var guest = await QgaGuest.BootAsync();
        var (host, instance) = await guest.AttachAsync();
        await using var _ = host;
        await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(2), cancellationToken: Soon);
        Assert.Contains("through", await guest.Console.ShAsync("echo new > /mnt/late; echo through"));
        Assert.Contains("the lease of 2 s ended", (await DiskGuest.ThawedAsync(instance)).LastEnd);
    }

    [Fact]
    public async Task Half_a_message_an_unread_reply_and_a_client_that_stays_do_not_keep_the_host_out()
    {
        await using var guest = await QgaGuest.BootAsync();
        await using (var first = QgaClient.Open(guest.Socket))
        {
            await first.SyncAsync(TimeSpan.FromSeconds(60), Soon);
        }

        using (var half = await guest.ConnectAsync())
        {
            await half.SendAsync("{\"execute\":\"guest-pi"u8.ToArray());
        }

        await AssertServedAsync(guest);
        using (var rude = await guest.ConnectAsync())
        {
            await rude.SendAsync("{\"execute\":\"guest-info\"}{\"execute\":\"guest-info\"}{\"execute\":\"guest-info\"}"u8.ToArray());
        }

        await AssertServedAsync(guest);
        var squatter = await guest.ConnectAsync();
        await using (var client = QgaClient.Open(guest.Socket))
        {
            var error = await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-ping", null, TimeSpan.FromSeconds(3), Soon));
            Assert.Equal(ErrorClass.Retry, error.Class);
            squatter.Dispose();
            await client.CallAsync("guest-ping", null, TimeSpan.FromSeconds(60), Soon);
        }
    }

    [Fact]
    public async Task An_agent_that_is_killed_and_started_again_is_found_again()
    {
        await using var guest = await QgaGuest.BootAsync();
        var (host, instance) = await guest.AttachAsync();
        await using var _ = host;
        await instance.Info.PingAsync(Soon);
        await guest.Console.ShAsync("killall -STOP qemu-ga");
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Qga!.CallAsync("guest-get-host-name", null, TimeSpan.FromSeconds(2), Soon));
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun), (error.Code, error.Class));
        await guest.Console.ShAsync("killall -KILL qemu-ga");
        Assert.Equal("guest", (await instance.Qga!.CallAsync("guest-get-host-name", null, TimeSpan.FromSeconds(60), Soon)).GetProperty("host-name").GetString());
        await instance.WaitReadyAsync(Soon);
        await instance.Info.PingAsync(Soon);
    }

    private static async Task AssertServedAsync(QgaGuest guest)
    {
        var (host, instance) = await guest.AttachAsync();
        await using var _ = host;
        await instance.Info.PingAsync(Soon);
    }
}
