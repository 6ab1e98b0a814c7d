using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Host;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Processes;
using Xunit.Abstractions;

namespace ChannelSdk.Guest.Tests;

/// <summary>
/// Kill -9 of one party of an operation at any moment of it: host endpoint, either half, agent, QEMU. CHANNELSDK_KILL_RUNS sets
/// how many operations (12 by default), CHANNELSDK_KILL_SEED with which seed to begin; each prints its own.
/// </summary>
[Collection("appliance")]
public class InstallRandomKillTests(Appliance appliance, ITestOutputHelper output)
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(60);

    private enum Party { Host, TrustedScript, UntrustedScript, Agent, Qemu }

    [Fact]
    public async Task An_operation_with_any_party_killed_at_any_time_ends_in_an_explained_state_within_its_deadline_and_leaves_nothing()
    {
        var runs = Setting("CHANNELSDK_KILL_RUNS", 12);
        var first = Setting("CHANNELSDK_KILL_SEED", Environment.TickCount);
        for (var seed = first; seed < first + runs; seed++)
        {
            var random = new Random(seed);
            var victim = (Party)((seed - first) % 5);
            // An operation takes some seconds, most of them the appliance's boot; the halves' part is timed by the halves.
            var moment = TimeSpan.FromMilliseconds(random.Next(victim is Party.UntrustedScript or Party.Agent ? 2000 : 9000));
            var said = $"seed {seed}: {victim} after {moment.TotalMilliseconds} ms";
            try
            {
                output.WriteLine($"{said}: {await RunAsync(victim, moment)}");
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{said} (CHANNELSDK_KILL_SEED): {e.Message}", e);
            }
        }
    }

    private async Task<string> RunAsync(Party victim, TimeSpan moment)
    {
        using var rig = new InstallRig(appliance, deadline: s_deadline);
        var pause = ((int)moment.TotalMicroseconds).ToString(CultureInfo.InvariantCulture);
        var killer = victim switch
        {
            Party.UntrustedScript => $"(usleep {pause}; kill -9 $$) &\n",
            Party.Agent => $"(usleep {pause}; killall -9 channel-agent) &\n",
            _ => "",
        };
        rig.Write("untrusted/create", $"#!/bin/sh\nPATH=$PATH:/bin:/sbin\n{killer}channel-agent send hello\nfor i in 1 2 3 4; do channel-agent progress ${{i}}0; usleep 300000; done\nchannel-agent barrier end\n");
        rig.Write("create", "#!/bin/sh\nchannelctl half receive\nchannelctl half barrier end\n");
        return victim == Party.Host ? await RunToolAsync(rig, moment) : await RunHereAsync(rig, victim, moment);
    }

    private static async Task<string> RunHereAsync(InstallRig rig, Party victim, TimeSpan moment)
    {
        var time = Stopwatch.StartNew();
        var operation = rig.Start(new InstallRequest { Instance = "vm1" });
        if (victim is Party.TrustedScript or Party.Qemu)
        {
            await Task.WhenAny(operation.Completion, Task.Delay(moment));
            Kill(operation.Id, victim == Party.Qemu ? "qemu-system-x86" : "create");
        }

        var result = await operation.Completion.WaitAsync(s_deadline + TimeSpan.FromSeconds(10));
        Assert.True(time.Elapsed < s_deadline + TimeSpan.FromSeconds(5), $"it took {time.Elapsed}");
        Assert.True(result.Outcome is InstallOutcome.Failed or InstallOutcome.Succeeded, $"{result.Outcome}: {result.Reason}");
        Assert.Equal(result.Outcome == InstallOutcome.Succeeded, result.Reason.Length == 0);
        InstallKillTests.AssertNothingIsLeft(rig, Path.GetDirectoryName(result.LogFile)!);
        return $"{result.Outcome} {result.Reason}";
    }

    // The host endpoint is channelctl, which is killed; the next one finds what it has left.
    private async Task<string> RunToolAsync(InstallRig rig, TimeSpan moment)
    {
        using var host = InstallKillTests.StartTool(rig, appliance);
        var gone = host.StandardOutput.ReadToEndAsync();
        await Task.WhenAny(host.WaitForExitAsync(), Task.Delay(moment));
        host.Kill();
        await host.WaitForExitAsync(InstallRig.Soon);
        await gone;
        var found = new Installer(rig.Options).Interrupted;
        var operations = Path.Combine(rig.Options.Folder, "operations");
        if (Directory.GetDirectories(operations) is [var folder])
        {
            InstallKillTests.AssertNothingIsLeft(rig, folder);
        }

        Assert.All(found, journal => Assert.DoesNotContain("could not be removed", journal.Reason));
        return found.Count > 0 ? found[0].Reason! : "before there was anything, or after its end";
    }

    private static void Kill(string operation, string name)
    {
        foreach (var id in OperationProcesses.Find(operation))
        {
            try
            {
                if (File.ReadAllText($"/proc/{id}/comm").Trim() == name)
                {
                    Process.GetProcessById(id).Kill();
                }
            }
            catch (Exception e) when (e is IOException or ArgumentException or InvalidOperationException)
            {
                // It has ended by itself.
            }
        }
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : otherwise;
}
