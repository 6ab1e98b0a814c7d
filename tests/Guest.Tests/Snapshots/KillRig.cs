using System.Diagnostics;
using ChannelSdk.Host;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>A guest with a gate whose agent the host kills, and what guest and host see of it.</summary>
/// <param name="instance">The guest.</param>
/// <param name="console">Its shell, which stands still behind the gate.</param>
/// <param name="line">What kills.</param>
/// <param name="arm">A command of the guest that makes the line kill the process $p, and says so.</param>
/// <param name="folder">A folder of the guest on a disk.</param>
internal sealed class KillRig(Instance instance, GuestConsole console, KillLine line, string arm, string folder)
{
    /// <summary>Of each preparation; a successor is there long before.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(60);
    private string _armed = "";

    public Instance Instance => instance;

    /// <summary>The longest time from a kill until programs and disks went on.</summary>
    public TimeSpan Longest { get; private set; }

    /// <summary>Makes a script that is run with "freeze" and "thaw", or for a repair; it notes that in /tmp/hooks, and takes two seconds while /tmp/slow has its first word in it.</summary>
    public Task AddHookAsync(string place) => console.ShAsync(
        $"mkdir -p /etc/channel-agent/{place}; printf '#!/bin/sh\\necho \"$*\" >> /tmp/hooks\\ngrep -qs $1 /tmp/slow && sleep 2\\nexit 0\\n' > /etc/channel-agent/{place}/50-note; chmod 755 /etc/channel-agent/{place}/50-note");

    /// <summary>What the hooks have noted since the last time.</summary>
    public async Task<string> HooksAsync() => (await ShAsync("cat /tmp/hooks; rm /tmp/hooks")).Replace('\n', ' ');

    public Task<string> ShAsync(string command) => console.ShAsync(command);

    /// <summary>Lets the agent that runs now be killed.</summary>
    public async Task ArmAsync()
    {
        // In a shell of its own, which says nothing of its jobs.
        _armed = await ShAsync($"[ ! -e /tmp/arming ] || kill $(cat /tmp/arming) 2>/dev/null; rm -f /tmp/armed; p=$(pidof channel-agent); ({arm} > /tmp/armed & echo $! > /tmp/arming); until [ -s /tmp/armed ]; do sleep 0.02; done; echo $p");
        Assert.Matches("^[0-9]+$", _armed);
    }

    public Task<SnapshotReport> PrepareAsync(TimeSpan? lease = null) =>
        instance.Snapshot.PrepareAsync(new SnapshotRequest { Freeze = true, Lease = lease ?? Lease }, SavedGuest.Soon);

    public Task<SnapshotReport> GoOnAsync() => CompleteAsync(new SnapshotCompletion { Origin = SnapshotOrigin.GoesOn });

    public Task<SnapshotReport> CompleteAsync(SnapshotCompletion completion) => instance.Snapshot.CompleteAsync(completion, TimeSpan.FromSeconds(40), SavedGuest.Soon);

    /// <summary>Kills the agent while a call is under way.</summary>
    /// <returns>What the call returned, or its error.</returns>
    public async Task<(T? Result, ChannelException? Error)> KillAsync<T>(Func<Task<T>> call, TimeSpan after)
    {
        var answer = call();
        await Task.Delay(after);
        line.Fire();
        try
        {
            return (await answer, null);
        }
        catch (ChannelException e)
        {
            return (default, e);
        }
    }

    /// <summary>Waits until programs run and write again and another agent has answered.</summary>
    public async Task<SnapshotReport> RecoverAsync()
    {
        var start = Stopwatch.GetTimestamp();
        var seen = await console.ShAsync(
            $"until p=$(pidof channel-agent) && [ $p != {_armed} ]; do sleep 0.02; done; echo written > {folder}/after; cat /sys/fs/cgroup/*/cgroup.freeze /sys/fs/cgroup/*/*/cgroup.freeze 2>/dev/null | sort -u", Lease);
        Assert.Equal("0", seen);
        var longest = Stopwatch.GetElapsedTime(start);
        Longest = longest > Longest ? longest : Longest;
        var report = await StatusAsync();
        Assert.Equal("gone", await ShAsync("[ -e /run/channel-agent/frozen ] || echo gone"));
        return report;
    }

    /// <summary>What the successor says once it is there.</summary>
    public async Task<SnapshotReport> StatusAsync()
    {
        for (var end = SavedGuest.Soon; ; await Task.Delay(20, end))
        {
            try
            {
                return await instance.Snapshot.StatusAsync(end);
            }
            catch (ChannelException e) when (e.Class is ErrorClass.Retry or ErrorClass.MayHaveRun)
            {
                // The agent's successor is not there yet.
            }
        }
    }
}
