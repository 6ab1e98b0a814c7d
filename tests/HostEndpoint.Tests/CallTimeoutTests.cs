using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host.Qga;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Info;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using SnapshotOrigin = ChannelSdk.Host.Snapshots.SnapshotOrigin;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>How long calls wait for an agent that is not there, or is there no more.</summary>
public sealed class CallTimeoutTests : IDisposable
{
    private static readonly TimeSpan s_callTimeout = TimeSpan.FromMilliseconds(50);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-test-");

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token;

    public void Dispose() => _folder.Delete(recursive: true);

    public static TheoryData<string> Calls => [.. s_calls.Keys];

    private static readonly Dictionary<string, Func<Instance, string, Task>> s_calls = new()
    {
        ["info"] = (vm, _) => vm.Info.GetAsync(Soon),
        ["ping"] = (vm, _) => vm.Info.PingAsync(Soon),
        ["watch"] = async (vm, _) => await vm.Watch.ReadAsync(cancellationToken: Soon).GetAsyncEnumerator(Soon).MoveNextAsync(),
        ["shutdown"] = (vm, _) => vm.Power.ShutdownAsync("", Soon),
        ["suspend"] = (vm, _) => vm.Power.SuspendAsync(cancellationToken: Soon),
        ["freeze"] = (vm, _) => vm.Freeze.FreezeAsync(TimeSpan.FromMinutes(5), cancellationToken: Soon),
        ["thaw"] = (vm, _) => vm.Freeze.ThawAsync(cancellationToken: Soon),
        ["renew"] = (vm, _) => vm.Freeze.RenewAsync(TimeSpan.FromMinutes(5), Soon),
        ["freeze status"] = (vm, _) => vm.Freeze.StatusAsync(Soon),
        ["prepare"] = (vm, _) => vm.Snapshot.PrepareAsync(new SnapshotRequest(), Soon),
        ["complete"] = (vm, _) => vm.Snapshot.CompleteAsync(new SnapshotCompletion { Origin = SnapshotOrigin.Restored }, cancellationToken: Soon),
        ["renew what is prepared"] = (vm, _) => vm.Snapshot.RenewAsync(TimeSpan.FromMinutes(5), Soon),
        ["snapshot status"] = (vm, _) => vm.Snapshot.StatusAsync(Soon),
        ["drift"] = (vm, _) => vm.Time.DriftAsync(Soon),
        ["set the clock"] = (vm, _) => vm.Time.SetAsync(Soon),
        ["trim"] = (vm, _) => vm.Storage.TrimAsync(cancellationToken: Soon),
        ["send"] = (vm, _) => vm.Measure.SendAsync(1, null, Soon),
        ["receive"] = (vm, _) => vm.Measure.ReceiveAsync(1 << 20, null, Soon),
        ["stat"] = (vm, _) => vm.Files.StatAsync("/x", Soon),
        ["list"] = async (vm, _) => await vm.Files.ListAsync("/x", Soon).GetAsyncEnumerator(Soon).MoveNextAsync(),
        ["copy in"] = (vm, folder) => vm.Files.CopyInAsync(Source(folder), "/x", cancellationToken: Soon),
        ["copy out"] = (vm, folder) => vm.Files.CopyOutAsync("/x", Path.Combine(folder, "copy"), cancellationToken: Soon),
        ["start a program"] = (vm, _) => vm.Exec.StartAsync(new ExecOptions { Command = ["true"] }, Soon),
        ["run a program"] = (vm, _) => vm.Exec.RunAsync(new ExecOptions { Command = ["true"] }, cancellationToken: Soon),
    };

    [Fact]
    public void Every_call_of_an_instance_is_in_these_tests()
    {
        // A method that is added to a client of an instance fails here until it has a line above.
        var methods = typeof(Instance).GetProperties().Where(p => p.PropertyType.Name.EndsWith("Client", StringComparison.Ordinal) && p.PropertyType != typeof(QgaClient))
            .SelectMany(p => p.PropertyType.GetMethods().Where(m => m.DeclaringType == p.PropertyType && m.Name.EndsWith("Async", StringComparison.Ordinal)))
            .Select(m => m.Name);
        // Reboot, halt and force are the shutdown's; WaitGoneAsync calls nothing.
        Assert.Equal(s_calls.Count, methods.Count(name => name is not ("RebootAsync" or "HaltAsync" or "ForceAsync" or "WaitGoneAsync")));
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task A_call_of_an_absent_agent_ends_by_the_time_for_calls_and_did_not_run(string call)
    {
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", "unix:///nonexistent/x", new InstanceOptions { CallTimeout = s_callTimeout });
        var error = await Assert.ThrowsAsync<ChannelException>(() => s_calls[call](instance, _folder.FullName).WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.Retry), (error.Code, error.Class));
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task A_call_that_the_hosts_policy_refuses_waits_for_no_agent(string call)
    {
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", "unix:///nonexistent/x", new InstanceOptions { Policy = new() { HostMay = [] } });
        var error = await Assert.ThrowsAsync<ChannelException>(() => s_calls[call](instance, _folder.FullName).WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Equal(ChannelError.PermissionDenied, error.Code);
    }

    [Theory]
    [InlineData("run a program")]
    [InlineData("send")]
    [InlineData("receive")]
    [InlineData("trim")]
    // A copy waits for another session too.
    [InlineData("copy in")]
    [InlineData("copy out")]
    public async Task An_agent_that_is_killed_and_stays_away_fails_running_calls_once_the_session_is_given_up(string call)
    {
        var resume = TimeSpan.FromMilliseconds(300);
        var begun = new SemaphoreSlim(0);
        await using var guest = new SilentGuest(() => begun.Release());
        await using var host = new ChannelHost();
        await using var endpoint = new LosableEndpoint(TransportEndpoints.Create(guest.Uri));
        var instance = host.Attach("vm1", endpoint, new InstanceOptions { Channel = new ChannelOptions { Session = new SessionOptions { ResumeTimeout = resume } } });
        await instance.WaitReadyAsync(Soon);
        var options = new FileCopyOptions { ResumeTimeout = resume };
        var running = call switch
        {
            "copy in" => instance.Files.CopyInAsync(Source(_folder.FullName), "/x", options, cancellationToken: Soon),
            "copy out" => instance.Files.CopyOutAsync("/x", Path.Combine(_folder.FullName, "copy"), options, cancellationToken: Soon),
            _ => s_calls[call](instance, _folder.FullName),
        };
        await begun.WaitAsync(Soon);
        var lost = Stopwatch.GetTimestamp();
        endpoint.IsGone = true;
        instance.DropLink("the agent was killed");

        var error = await Assert.ThrowsAsync<ChannelException>(() => running.WaitAsync(TimeSpan.FromSeconds(15)));

        Assert.Equal((ChannelError.SessionLost, ErrorClass.MayHaveRun), (error.Code, error.Class));
        Assert.True(Stopwatch.GetElapsedTime(lost) >= resume * 0.9, "it gave up before the session did");
    }

    private static string Source(string folder)
    {
        var path = Path.Combine(folder, "source");
        File.WriteAllText(path, "content");
        return path;
    }

    /// <summary>An endpoint whose other side goes away for good.</summary>
    private sealed class LosableEndpoint(ITransportEndpoint inner) : ITransportEndpoint
    {
        public bool IsGone { get; set; }

        public string Uri => inner.Uri;

        public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) => IsGone
            ? throw new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry, "nobody is there")
            : inner.OpenAsync(cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
