using System.Globalization;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>How a program ends: by a signal, with its run, its session or its host.</summary>
[Collection("programs that agents run")]
[Trait(Lane.Name, Lane.Integration)]
public class ExecEndTests
{
    private const int SigTerm = 15;

    [Fact]
    public async Task A_signal_reaches_a_program_whose_input_is_stuck()
    {
        await using var rig = new AgentRig();
        await using var session = await rig.Instance.Exec.StartAsync(ExecCalls.Shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"), rig.Soon);
        var ready = new byte[6];
        await session.StandardOutput.ReadExactlyAsync(ready, rig.Soon);
        var stuck = session.StandardInput.WriteAsync(new byte[4 << 20], rig.Soon).AsTask();
        await session.SignalAsync(SigTerm, rig.Soon);
        Assert.Equal(new ExecExit(5, 0), await session.ExitAsync(rig.Soon));
        await Record.ExceptionAsync(() => stuck);
        Assert.Equal(ChannelError.NotFound, (await Assert.ThrowsAsync<ChannelException>(async () => await session.SignalAsync(SigTerm, rig.Soon))).Code);
    }

    [Fact]
    public async Task Disposing_of_a_run_kills_all_that_it_started()
    {
        await using var rig = new AgentRig();
        var pids = await StartFamilyAsync(rig, async session => await session.DisposeAsync());
        await GoneAsync(pids, rig.Soon);
    }

    [Fact]
    public async Task A_lost_session_kills_the_program()
    {
        await using var rig = new AgentRig();
        var pids = await StartFamilyAsync(rig, async _ => await rig.StopAgentAsync());
        await GoneAsync(pids, rig.Soon);
        rig.StartAgent();
    }

    [Fact]
    public async Task A_lost_session_leaves_the_program_alone_on_request_and_it_is_reaped_at_its_end()
    {
        await using var rig = new AgentRig();
        string done = Path.Combine(rig.Guest, "done"), go = Path.Combine(rig.Guest, "go");
        var session = await rig.Instance.Exec.StartAsync(
            ExecCalls.Shell($"while [ ! -e {go} ]; do echo output; echo x >&2; sleep 0.01; done; echo $$ > {done}.new; mv {done}.new {done}") with { KeepOnSessionLoss = true }, rig.Soon);
        await rig.StopAgentAsync();
        await Assert.ThrowsAsync<ChannelException>(() => session.ExitAsync(rig.Soon));
        rig.StartAgent();
        await rig.Instance.Info.PingAsync(rig.Soon);
        await File.WriteAllTextAsync(go, "");
        while (!File.Exists(done))
        {
            await rig.Instance.Info.PingAsync(rig.Soon);
        }

        await GoneAsync([int.Parse(await File.ReadAllTextAsync(done), CultureInfo.InvariantCulture)], rig.Soon);
        await session.DisposeAsync();
    }

    [Fact]
    public async Task A_program_ends_soon_after_its_host_was_killed()
    {
        await using var rig = new AgentRig();
        await rig.DetachAsync();
        await using var host = new ChannelHost();
        var killed = host.Attach("vm1", new OnceEndpoint(TransportEndpoints.Create(rig.Uri)));
        var options = ExecCalls.Shell("echo $$; exec sleep 600") with { LinkLoss = TimeSpan.FromMilliseconds(500) };
        await using var session = await killed.Exec.StartAsync(options, rig.Soon);
        using var reader = new StreamReader(session.StandardOutput);
        var pid = int.Parse((await reader.ReadLineAsync(rig.Soon))!, CultureInfo.InvariantCulture);

        killed.DropLink("as a killed process does");

        await GoneAsync([pid], rig.Soon);
    }

    /// <summary>A program with a child and a grandchild; returns the three numbers after the action.</summary>
    private static async Task<int[]> StartFamilyAsync(AgentRig rig, Func<ExecSession, Task> action)
    {
        var session = await rig.Instance.Exec.StartAsync(ExecCalls.Shell("sh -c 'sleep 600 & echo $!; echo $$; wait' & echo $$; wait"), rig.Soon);
        using var reader = new StreamReader(session.StandardOutput);
        var pids = new List<int>();
        while (pids.Count < 3)
        {
            pids.Add(int.Parse((await reader.ReadLineAsync(rig.Soon))!, CultureInfo.InvariantCulture));
        }

        Assert.All(pids, static pid => Assert.True(Directory.Exists($"/proc/{pid}")));
        await action(session);
        await session.DisposeAsync();
        return [.. pids];
    }

    /// <summary>Neither alive nor a zombie of ours.</summary>
    private static async Task GoneAsync(int[] pids, CancellationToken soon)
    {
        while (pids.Any(IsThere))
        {
            await Task.Delay(5, soon);
        }
    }

    private static bool IsThere(int pid)
    {
        try
        {
            // A grandchild's zombie is init's matter.
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return !stat.Contains($") Z 1 ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Yields one link, as for a process that is dead then.</summary>
    private sealed class OnceEndpoint(ITransportEndpoint inner) : ITransportEndpoint
    {
        private bool _isDead;

        public string Uri => inner.Uri;

        public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
        {
            if (_isDead)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            var link = await inner.OpenAsync(cancellationToken);
            _isDead = true;
            return link;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
