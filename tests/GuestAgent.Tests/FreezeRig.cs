using System.Collections.Concurrent;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Gate;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Snapshot;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>A freeze service with a clock, a kernel and a session that the test controls.</summary>
internal sealed class FreezeRig : IDisposable
{
    private readonly System.Threading.Channels.Channel<(StateWord Word, DateTimeOffset? Until)> _states = System.Threading.Channels.Channel.CreateUnbounded<(StateWord, DateTimeOffset?)>();

    internal FreezeRig()
    {
        Marker = new FreezeMarker($"{Folder.FullName}/state/frozen");
        Log = new AgentLog(Lines.Enqueue, Time, withTime: false) { Rate = 1000 };
        GatePlatform = new FakeGatePlatform(Platform.Done);
        Gate = new ProcessGate(GatePlatform, TimeSpan.FromMilliseconds(200));
        States = new SnapshotStates((word, until) =>
        {
            OnState();
            _states.Writer.TryWrite((word, until));
        });
        Control = NewControl();
        var options = new FreezeOptions(() => TimeSpan.FromMinutes(10)) { MayGate = () => MayGate };
        Service = new FreezeService(options, Control);
        Snapshot = new SnapshotService(options, Control, States, Repair, nanoseconds =>
        {
            Platform.Done.Enqueue($"clock {nanoseconds}");
            return 0;
        }, Log);
        Snapshot.Register(new ServiceGate(new ServiceRegistry(), new AgentPolicy(new PolicyRules(), new AuditLog(Log)), static _ => null));
    }

    internal FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    internal FakeFreezePlatform Platform { get; } = new();

    internal DirectoryInfo Folder { get; } = Directory.CreateTempSubdirectory("agent-test-");

    /// <summary>Bounds every wait of the test.</summary>
    internal CancellationTokenSource Timeout { get; } = new(TimeSpan.FromSeconds(60));

    /// <summary>The lines of the log.</summary>
    internal ConcurrentQueue<string> Lines { get; } = new();

    internal FreezeMarker Marker { get; }

    internal AgentLog Log { get; }

    internal FakeGatePlatform GatePlatform { get; }

    internal ProcessGate Gate { get; }

    internal FakeRepair Repair { get; } = new();

    internal SnapshotStates States { get; }

    internal FreezeControl Control { get; }

    internal FreezeService Service { get; }

    internal SnapshotService Snapshot { get; }

    /// <summary>Whether the image lets the host shut the gate.</summary>
    internal bool MayGate { get; set; } = true;

    /// <summary>The session whose link is up.</summary>
    internal UInt128? Session { get; set; } = 7;

    /// <summary>Runs when the hooks are looked for.</summary>
    internal Action OnHooks { get; set; } = static () => { };

    /// <summary>Runs before a state is announced.</summary>
    internal Action OnState { get; set; } = static () => { };

    public void Dispose()
    {
        Control.Dispose();
        Snapshot.Dispose();
        Timeout.Dispose();
        Folder.Delete(recursive: true);
    }

    /// <summary>Freezes everything.</summary>
    internal Task<FreezeReport> FreezeAsync(uint lease = 60_000, uint linkLoss = 0) =>
        Service.FreezeAsync(new FreezeRequest { LeaseMs = lease, LinkLossMs = linkLoss }).AsTask();

    /// <summary>Moves the clock until the guest is thawed: a look for the owner that is under way may still see the session.</summary>
    internal async Task AdvanceUntilReadyAsync(TimeSpan step)
    {
        Task ready = UntilAsync(StateWord.Ready);
        while (!ready.IsCompleted)
        {
            Time.Advance(step);
            await Task.WhenAny(ready, Task.Delay(100, Timeout.Token));
        }

        await ready;
    }

    /// <summary>The next announcement of a state.</summary>
    internal async Task<(StateWord Word, DateTimeOffset? Until)> UntilAsync(StateWord word)
    {
        while (true)
        {
            var next = await _states.Reader.ReadAsync(Timeout.Token);
            if (next.Word == word)
            {
                return next;
            }
        }
    }

    /// <summary>The states that were announced up to one, without those on the way back.</summary>
    internal async Task<List<StateWord>> WordsAsync(StateWord last)
    {
        var words = new List<StateWord>();
        while (words.Count == 0 || words[^1] != last)
        {
            var next = (await _states.Reader.ReadAsync(Timeout.Token)).Word;
            if (next != StateWord.Busy && (words.Count == 0 || words[^1] != next))
            {
                words.Add(next);
            }
        }

        return words;
    }

    private FreezeControl NewControl()
    {
        var run = new FreezeRun(Platform, Marker, () =>
        {
            OnHooks();
            return new HookFolder($"{Folder.FullName}/hooks.d", TimeSpan.FromSeconds(10));
        }, Gate, new SystemInhibitor("/nonexistent", "/nonexistent"), Log);
        return new FreezeControl(run, () => Session, States.Show, Log, Time);
    }
}
