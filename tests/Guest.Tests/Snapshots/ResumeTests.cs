using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>Two copies of one memory, each with its half of the same session, and the host that has the other half.</summary>
[Collection("copies")]
public sealed class ResumeTests : SnapshotMachineTests
{
    [Fact]
    public async Task Of_two_copies_that_resume_one_session_one_gets_it_and_both_are_to_be_repaired()
    {
        await using var host = new ChannelHost();
        var guest = host.Attach("vm1", $"virtio-serial://{Machine.At("way")}");
        await Machine.Launcher.StartAsync(Machine.Request("vm1", Machine.Disk), SavedGuest.Soon);
        Lead("vm1");
        await guest.WaitReadyAsync(SavedGuest.Soon);
        await Machine.SeparateAsync("vm1");
        var session = guest.Channel.Status.SessionId;
        await guest.Snapshot.PrepareAsync(new SnapshotRequest(), SavedGuest.Soon);
        await Machine.SaveAsync("vm1", Machine.Memory, Machine.Disk);
        Assert.True(await Machine.Launcher.KillAsync(Machine.Of("vm1"), TimeSpan.FromSeconds(10)));
        await Machine.StartAsync("c1", Machine.Memory, Machine.Disk);
        await Machine.StartAsync("c2", Machine.Memory, Machine.Disk);

        Lead("c1");
        await UntilAsync(guest, status => status.LinkState == LinkState.Up);
        Assert.Equal(session, guest.Channel.Status.SessionId);
        var first = await RepairAsync(guest);

        // It has a half of the same session, as old as the other's was.
        Lead("c2");
        guest.DropLink("the way leads to the other copy");
        await UntilAsync(guest, status => status.LinkState == LinkState.Up && status.SessionId != session);
        var second = await RepairAsync(guest);
        Assert.NotEqual(first, second);

        var last = guest.Channel.Status.SessionId;
        Lead("c1");
        guest.DropLink("the way leads back");
        await UntilAsync(guest, status => status.LinkState == LinkState.Up && status.SessionId != last);
        Assert.NotEqual(session, guest.Channel.Status.SessionId);
        var report = await guest.Snapshot.StatusAsync(SavedGuest.Soon);
        Assert.Equal((SnapshotState.Idle, first), (report.State, report.Generation));
    }

    /// <summary>What a guest that is at rest refuses, it does once it is told what it is.</summary>
    private static async Task<Guid?> RepairAsync(Instance guest)
    {
        Assert.Equal(SnapshotState.Prepared, (await guest.Snapshot.StatusAsync(SavedGuest.Soon)).State);
        var refused = await Assert.ThrowsAsync<ChannelException>(() => guest.Files.StatAsync("/tmp", SavedGuest.Soon));
        Assert.Equal(ChannelError.FailedPrecondition, refused.Code);
        var report = await guest.Snapshot.CompleteAsync(new SnapshotCompletion { Origin = SnapshotOrigin.Restored }, cancellationToken: SavedGuest.Soon);
        Assert.True(report.IsGated, string.Join(' ', report.Steps));
        await guest.Files.StatAsync("/tmp", SavedGuest.Soon);
        return report.Generation;
    }

    /// <summary>Lets the host's way lead to a machine from its next link on.</summary>
    private void Lead(string name)
    {
        File.Delete(Machine.At("way"));
        File.CreateSymbolicLink(Machine.At("way"), Path.Combine(Machine.At(name), "channel.sock"));
    }

    private static async Task UntilAsync(Instance guest, Func<ChannelStatus, bool> isSo)
    {
        for (var end = SavedGuest.Soon; !isSo(guest.Channel.Status);)
        {
            await Task.Delay(5, end);
        }
    }
}
