using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using Google.Protobuf;
using AddressChange = ChannelSdk.Host.Snapshots.AddressChange;
using SnapshotIdentity = ChannelSdk.Host.Snapshots.SnapshotIdentity;
using SnapshotKind = ChannelSdk.Host.Snapshots.SnapshotKind;
using SnapshotOrigin = ChannelSdk.Host.Snapshots.SnapshotOrigin;
using SnapshotState = ChannelSdk.Host.Snapshots.SnapshotState;

namespace ChannelSdk.HostEndpoint.Tests.Snapshots;

/// <summary>What the host says to a guest around a snapshot.</summary>
public class SnapshotClientTests
{
    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    private static async Task<Instance> AttachAsync(ChannelHost host, SnapshotDouble guest, InstanceOptions? options = null)
    {
        var instance = host.Attach("vm1", guest.Guest.Uri, options);
        await instance.WaitReadyAsync(Soon);
        return instance;
    }

    [Fact]
    public async Task A_guest_comes_to_rest_and_goes_on()
    {
        await using var guest = new SnapshotDouble();
        await using var host = new ChannelHost();
        var snapshot = (await AttachAsync(host, guest)).Snapshot;
        var report = await snapshot.PrepareAsync(new SnapshotRequest { Freeze = true, Mounts = ["/data"], Lease = TimeSpan.FromSeconds(7), LinkLoss = TimeSpan.FromSeconds(2) }, Soon);
        Assert.Equal((Protocol.Services.SnapshotKind.Memory, true, true, 7000u, 2000u), (guest.Prepared!.Kind, guest.Prepared.Gate, guest.Prepared.Freeze, guest.Prepared.LeaseMs, guest.Prepared.LinkLossMs));
        Assert.Equal(["/data"], guest.Prepared.Mounts);
        Assert.Equal((SnapshotState.Prepared, TimeSpan.FromSeconds(7)), (report.State, report.Left));
        var step = Assert.Single(report.Steps);
        Assert.Equal((TimeSpan.FromMicroseconds(1500), true), (step.Elapsed, step.IsMandatory));
        Assert.DoesNotContain('\u001b', step.Name);
        Assert.Equal(SnapshotState.Prepared, (await snapshot.RenewAsync(TimeSpan.FromSeconds(9), Soon)).State);
        Assert.Equal(SnapshotState.Idle, (await snapshot.CompleteAsync(new SnapshotCompletion { Origin = SnapshotOrigin.GoesOn }, cancellationToken: Soon)).State);
        var told = Assert.Single(guest.Completions);
        Assert.Equal((0, 0, 0L), (told.Generation.Length, told.Entropy.Length, told.UnixNs));
        Assert.Null((await snapshot.StatusAsync(Soon)).Generation);
    }

    [Fact]
    public async Task A_preparation_that_fails_says_which_step()
    {
        await using var guest = new SnapshotDouble { Failure = "a process of no group\u001b[2J" };
        await using var host = new ChannelHost();
        var error = await Assert.ThrowsAsync<SnapshotFailedException>(async () => await (await AttachAsync(host, guest)).Snapshot.PrepareAsync(new SnapshotRequest { Kind = SnapshotKind.Disk }, Soon));
        Assert.Contains("nothing is prepared for a snapshot: a process of no group", error.Message);
        Assert.DoesNotContain('\u001b', error.Message);
        Assert.Equal(Host.Snapshots.StepOutcome.Failed, Assert.Single(error.Report.Steps).Outcome);
    }

    [Fact]
    public async Task A_clone_is_told_its_generation_its_identity_the_time_and_entropy_of_its_own()
    {
        await using var guest = new SnapshotDouble();
        await using var host = new ChannelHost();
        var snapshot = (await AttachAsync(host, guest)).Snapshot;
        var machine = Guid.NewGuid();
        var completion = new SnapshotCompletion
        {
            Origin = SnapshotOrigin.Cloned,
            Identity = new SnapshotIdentity { MachineId = machine, HostName = "vm2", InstanceId = "i-2", Addresses = [new AddressChange("52:54:00:00:00:01", "52:54:00:00:00:0a")] },
        };
        var report = await snapshot.CompleteAsync(completion, cancellationToken: Soon);
        Assert.Equal((completion.Generation, true), (report.Generation, report.IsGated));
        var told = guest.Completions[0];
        Assert.Equal(completion.Generation.ToByteArray(bigEndian: true), told.Generation);
        Assert.Equal(machine.ToString("N"), Convert.ToHexStringLower(told.Identity.MachineId.Span));
        Assert.Equal(("vm2", "i-2", "52540000000A"), (told.Identity.HostName, told.Identity.InstanceId, Convert.ToHexString(told.Identity.Addresses[0].Next.Span)));
        Assert.InRange(told.UnixNs, (DateTimeOffset.UtcNow.AddSeconds(-20) - DateTimeOffset.UnixEpoch).Ticks * 100, (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100);
        await snapshot.CompleteAsync(new SnapshotCompletion { Origin = SnapshotOrigin.Restored }, cancellationToken: Soon);
        Assert.All(guest.Entropy, static bytes => Assert.Equal(64, bytes.Length));
        Assert.NotEqual(guest.Entropy[0], guest.Entropy[1]);
        Assert.NotEqual(guest.Completions[0].Generation, guest.Completions[1].Generation);
    }

    [Fact]
    public void Entropy_is_wiped_and_in_no_text()
    {
        var completion = new SnapshotCompletion { Origin = SnapshotOrigin.Restored };
        var message = new CompletionMessage(completion, TimeProvider.System);
        var request = message.Now();
        Assert.Contains(request.Entropy.ToByteArray(), static b => b != 0);
        Assert.DoesNotContain(request.Entropy.ToBase64(), $"{message} {completion}");
        message.Dispose();
        Assert.All(request.Entropy.ToByteArray(), static b => Assert.Equal(0, b));
    }

    [Theory]
    [InlineData("52:54:00:00:00")]
    [InlineData("52:54:00:00:00:0g")]
    [InlineData("52-54-00-00-00-01")]
    public async Task What_is_no_hardware_address_is_refused_before_anything_is_sent(string address)
    {
        await using var guest = new SnapshotDouble();
        await using var host = new ChannelHost();
        var snapshot = (await AttachAsync(host, guest)).Snapshot;
        var clone = new SnapshotCompletion { Origin = SnapshotOrigin.Cloned, Identity = new SnapshotIdentity { Addresses = [new AddressChange(address, "52:54:00:00:00:01")] } };
        Assert.Contains("is no hardware address", (await Assert.ThrowsAsync<ArgumentException>(() => snapshot.CompleteAsync(clone, cancellationToken: Soon))).Message);
        await Assert.ThrowsAsync<ArgumentException>(() => snapshot.CompleteAsync(clone with { Origin = SnapshotOrigin.Restored }, cancellationToken: Soon));
        await Assert.ThrowsAsync<ArgumentException>(() => snapshot.CompleteAsync(clone with { Identity = null, Generation = Guid.Empty }, cancellationToken: Soon));
        Assert.Empty(guest.Completions);
    }

    [Fact]
    public async Task A_repair_that_fails_leaves_the_guest_unready_until_it_is_told_again()
    {
        await using var guest = new SnapshotDouble { NotRepaired = "random" };
        await using var host = new ChannelHost();
        var snapshot = (await AttachAsync(host, guest)).Snapshot;
        var completion = new SnapshotCompletion { Origin = SnapshotOrigin.Restored };
        var error = await Assert.ThrowsAsync<SnapshotFailedException>(() => snapshot.CompleteAsync(completion, cancellationToken: Soon));
        Assert.Equal(("the guest is not ready: random", SnapshotState.Unrepaired), (error.Message, error.Report.State));
        Assert.Equal(completion.Generation, (await snapshot.CompleteAsync(completion, cancellationToken: Soon)).Generation);
    }

    [Fact]
    public async Task A_copy_whose_answer_was_lost_with_its_session_is_told_the_same_generation_again()
    {
        await using var host = new ChannelHost();
        var first = new SnapshotDouble { Hangs = 1 };
        var instance = await AttachAsync(host, first);
        var completion = new SnapshotCompletion { Origin = SnapshotOrigin.Cloned };
        var completing = instance.Snapshot.CompleteAsync(completion, TimeSpan.FromSeconds(20), Soon);
        while (first.Completions.Count == 0)
        {
            await Task.Delay(1, Soon);
        }

        // An agent that was killed comes back on its port, in a new session.
        var socket = first.Guest.Socket;
        await first.Guest.Channel.DisposeAsync();
        await using var second = new SnapshotDouble(socket);
        Assert.Equal(completion.Generation, (await completing).Generation);
        Assert.Equal(first.Completions[0].Generation, Assert.Single(second.Completions).Generation);
        await first.DisposeAsync();
    }

    [Fact]
    public async Task A_guest_that_goes_on_is_not_told_again_what_may_have_been_its_lease()
    {
        await using var host = new ChannelHost();
        var first = new SnapshotDouble { Hangs = 1 };
        var instance = await AttachAsync(host, first);
        await instance.Snapshot.PrepareAsync(new SnapshotRequest(), Soon);
        var completing = instance.Snapshot.CompleteAsync(new SnapshotCompletion { Origin = SnapshotOrigin.GoesOn }, TimeSpan.FromSeconds(20), Soon);
        while (first.Completions.Count == 0)
        {
            await Task.Delay(1, Soon);
        }

        var socket = first.Guest.Socket;
        await first.Guest.Channel.DisposeAsync();
        await using var second = new SnapshotDouble(socket);
        var error = await Assert.ThrowsAsync<ChannelException>(() => completing);
        Assert.Contains("it is not known whether by this call or by the end of its lease", error.Message);
        Assert.Empty(second.Completions);
        await first.DisposeAsync();
    }

    [Fact]
    public async Task A_completion_that_is_never_answered_ends_at_its_time_limit()
    {
        await using var guest = new SnapshotDouble { Hangs = 1000 };
        await using var host = new ChannelHost();
        var instance = await AttachAsync(host, guest);
        var error = await Assert.ThrowsAsync<ChannelException>(() => instance.Snapshot.CompleteAsync(new SnapshotCompletion { Origin = SnapshotOrigin.Cloned }, TimeSpan.FromSeconds(0.2), Soon));
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun), (error.Code, error.Class));
    }

    [Fact]
    public async Task A_completion_that_is_lost_each_time_ends_at_its_time_limit_or_when_it_is_cancelled()
    {
        await using var guest = new SnapshotDouble { Loss = new ChannelException(ChannelError.SessionLost, ErrorClass.MayHaveRun, "the answer is lost") };
        await using var host = new ChannelHost();
        var snapshot = (await AttachAsync(host, guest)).Snapshot;
        var completion = new SnapshotCompletion { Origin = SnapshotOrigin.Cloned };
        var error = await Assert.ThrowsAsync<ChannelException>(() => snapshot.CompleteAsync(completion, TimeSpan.FromSeconds(0.2), Soon)).WaitAsync(Soon);
        Assert.Equal(ChannelError.DeadlineExceeded, error.Code);
        Assert.Contains("the answer is lost", error.Message);
        using var cancelled = new CancellationTokenSource(TimeSpan.FromSeconds(0.2));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => snapshot.CompleteAsync(completion, cancellationToken: cancelled.Token)).WaitAsync(Soon);
    }

    [Fact]
    public async Task Of_two_hosts_that_complete_the_same_copy_the_later_generation_holds()
    {
        await using var guest = new SnapshotDouble();
        var (one, other) = (new SnapshotCompletion { Origin = SnapshotOrigin.Cloned }, new SnapshotCompletion { Origin = SnapshotOrigin.Cloned });
        async Task<Guid?> CompleteAsync(SnapshotCompletion completion)
        {
            await using var host = new ChannelHost();
            return (await (await AttachAsync(host, guest)).Snapshot.CompleteAsync(completion, cancellationToken: Soon)).Generation;
        }

        Assert.Equal(one.Generation, await CompleteAsync(one));
        Assert.Equal(other.Generation, await CompleteAsync(other));
        var error = await Assert.ThrowsAsync<ChannelException>(() => CompleteAsync(one));
        Assert.Equal(ChannelError.FailedPrecondition, error.Code);
        Assert.Contains("has left that generation", error.Message);
        Assert.Equal(other.Generation, await CompleteAsync(other));
    }

    [Fact]
    public async Task A_guest_that_asks_is_told_what_it_is_and_another_one_is_not()
    {
        var completion = new SnapshotCompletion { Origin = SnapshotOrigin.Restored };
        SnapshotInquiry? asked = null;
        await using var host = new ChannelHost();
        await using var guest = new SnapshotDouble();
        await AttachAsync(host, guest, new InstanceOptions { Copy = inquiry => (asked = inquiry).Hints.Count == 0 ? null : completion });
        async Task<CompleteRequest> AskAsync(Guid? generation, params string[] hints)
        {
            var request = new InquireRequest { Generation = generation is { } known ? CompletionMessage.Bytes(known) : ByteString.Empty };
            request.Hints.AddRange(hints);
            return (await guest.Guest.Channel.CallAsync(SnapshotMethods.Inquire, request, cancellationToken: Soon)).Complete;
        }

        var told = await AskAsync(null, "vmgenid", "x\u001b[2J");
        Assert.Equal((completion.Generation, 64), (new Guid(told.Generation.Span, bigEndian: true), told.Entropy.Length));
        Assert.DoesNotContain('\u001b', asked!.Hints[1]);
        Assert.Null(await AskAsync(null));
        Assert.Null(await AskAsync(completion.Generation, "clock"));
        var wrong = await Assert.ThrowsAsync<ChannelException>(() => AskAsync(null, [.. Enumerable.Repeat("clock", 9)]));
        Assert.Equal(ChannelError.InvalidArgument, wrong.Code);
        await using var other = new SnapshotDouble();
        await host.DetachAsync("vm1");
        await AttachAsync(host, other);
        var refused = await Assert.ThrowsAsync<ChannelException>(async () => await other.Guest.Channel.CallAsync(SnapshotMethods.Inquire, new InquireRequest(), cancellationToken: Soon));
        Assert.Equal(ChannelError.UnknownMethod, refused.Code);
    }
}
