using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Processes;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>channelctl install as a person runs it, and what is found after it was killed.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class RecoveryTests
{
    internal static Process Run(InstallRig rig, string command, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "channelctl")) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in (string[])["install", command, "--state", rig.State, .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }

    private static string[] Create(InstallRig rig) => ["--definitions", rig.At("definitions"), "vm1"];

    [Fact]
    public async Task A_killed_host_leaves_an_operation_that_the_next_one_ends_with_all_it_has_started()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n(setsid sleep 1000 &)\necho begun\nsleep 1000\n");
        using var host = Run(rig, "create", Create(rig));
        for (var line = ""; line is not null && !line.Contains("out| begun", StringComparison.Ordinal);)
        {
            line = await host.StandardOutput.ReadLineAsync(InstallRig.Soon);
            Assert.NotNull(line);
        }

        KillGuards(host.Id, OperationProcesses.Find(rig.Open().List().Single().Operation));
        host.Kill();
        await host.WaitForExitAsync(InstallRig.Soon);
        var running = Directory.GetFiles(rig.State, "journal.json", SearchOption.AllDirectories).Select(OperationJournal.Read).Single();
        Assert.Null(running.Outcome);
        Assert.NotEmpty(OperationProcesses.Find(running.Operation));

        // As if an appliance had been there, too.
        var traceFile = rig.At("left.qcow2");
        File.WriteAllText(traceFile, "");
        using var stranger = Process.Start("sleep", "1000");
        var journalFile = Directory.GetFiles(rig.State, "journal.json", SearchOption.AllDirectories).Single();
        (running with
        {
            Resources = [.. running.Resources, new LaunchResource(LaunchResourceKind.File, traceFile), new LaunchResource(LaunchResourceKind.Process, $"{stranger.Id}", 12345)],
        }).Write(journalFile);

        var installer = rig.Open();
        var found = Assert.Single(installer.Interrupted);
        Assert.Equal((running.Operation, InstallOutcome.Interrupted), (found.Operation, found.Outcome));
        Assert.Contains($"the process {host.Id} that ran it went away", found.Reason);
        Assert.Empty(OperationProcesses.Find(running.Operation));
        Assert.False(File.Exists(traceFile));
        // A number that another process has got meanwhile is left alone.
        Assert.False(stranger.HasExited);
        stranger.Kill();
        Assert.Empty(Directory.GetDirectories(Path.GetDirectoryName(journalFile)!));
        Assert.All(running.Resources.Where(t => t.Kind == LaunchResourceKind.ControlGroup), t => Assert.False(Directory.Exists(t.Name)));
        var events = await installer.WatchAsync(running.Operation, 0, InstallRig.Soon).ToListAsync(InstallRig.Soon);
        Assert.Equal(InstallOutcome.Interrupted, Assert.IsType<ResultEvent>(events[^1]).Outcome);
        Assert.Equal(Enumerable.Range(1, events.Count).Select(i => (long)i), events.Select(e => e.Cursor));
        Assert.Empty(rig.Open().Interrupted);
        // And the instance can be installed again.
        rig.Write("os/create", "#!/bin/sh\n");
        Assert.Equal(InstallOutcome.Succeeded, (await rig.RunAsync()).Result.Outcome);
    }

    [Fact]
    public async Task A_host_that_was_killed_in_an_export_leaves_no_part_of_the_data_beside_its_place()
    {
        using var rig = new InstallRig();
        rig.Write("os/export", "#!/bin/sh\nhead -c 1000 /dev/zero\necho begun >&2\nsleep 1000\n");
        using var host = Run(rig, "export", [.. Create(rig), "--disk", rig.Disk, "--to", rig.At("vm1.dump")]);
        for (var line = ""; line is not null && !line.Contains("err| begun", StringComparison.Ordinal);)
        {
            line = await host.StandardOutput.ReadLineAsync(InstallRig.Soon);
            Assert.NotNull(line);
        }

        host.Kill();
        await host.WaitForExitAsync(InstallRig.Soon);
        Assert.Single(Parts(rig));
        Assert.Single(rig.Open().Interrupted);
        Assert.Empty(Parts(rig));
        Assert.False(File.Exists(rig.At("vm1.dump")));

        static string[] Parts(InstallRig rig) => Directory.GetFiles(Path.GetDirectoryName(rig.At("vm1.dump"))!, ".*.tmp");
    }

    /// <summary>As if all of the host's processes had been killed: nobody is left to end what the scripts have started.</summary>
    private static void KillGuards(int host, IReadOnlyList<int> scripts)
    {
        // A thread may end meanwhile.
        var children = Directory.EnumerateDirectories($"/proc/{host}/task").SelectMany(static task => SmallFile.TryRead($"{task}/children", 4096, out var list) == 0 ? Encoding.ASCII.GetString(list).Split(' ', StringSplitOptions.RemoveEmptyEntries) : [])
            .Select(id => int.Parse(id, CultureInfo.InvariantCulture));
        Assert.Equal(0, ProcessCalls.Kill(Assert.Single(children.Except(scripts)), Abi.SIGKILL));
    }

    [Fact]
    public async Task Another_process_watches_an_operation_from_a_cursor_to_its_end()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\nchannelctl half progress 10 begun\nuntil [ -e \"$OSP_FLAG\" ]; do sleep 0.05; done\nchannelctl half progress 100 done\n");
        var flag = rig.At("flag");
        rig.Records.Change("vm1", r => r.With("flag", OsParameter.Public(flag)));
        var operation = rig.Start();
        using var watch = Run(rig, "watch", "--json", operation.Id[..8]);
        var lines = new List<string>();
        while (await watch.StandardOutput.ReadLineAsync(InstallRig.Soon) is { } line)
        {
            lines.Add(line);
            if (line.Contains("begun", StringComparison.Ordinal))
            {
                File.WriteAllText(flag, "");
            }
        }

        await watch.WaitForExitAsync(InstallRig.Soon);
        Assert.Equal(0, watch.ExitCode);
        Assert.Contains("\"kind\":\"result\"", lines[^1]);
        var cursors = lines.Select(l => JsonDocument.Parse(l).RootElement.GetProperty("cursor").GetInt64()).ToList();
        Assert.Equal(Enumerable.Range(1, lines.Count).Select(i => (long)i), cursors);
        var rest = await rig.Open().WatchAsync(operation.Id, cursors[^3], InstallRig.Soon).ToListAsync(InstallRig.Soon);
        Assert.Equal(cursors[^2..], rest.Select(e => e.Cursor));
    }

    [Fact]
    public async Task Old_operations_go_and_running_ones_stay()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n");
        var options = new InstallerOptions { Folder = rig.State, Records = rig.Records, Definitions = new DefinitionCatalog(rig.At("definitions")), KeepOperations = 2 };
        for (var i = 0; i < 4; i++)
        {
            await new Installer(options).Start(new InstallRequest { Instance = "vm1" }).Completion.WaitAsync(InstallRig.Soon);
        }

        Assert.Equal(2, new Installer(options).List().Count);
    }
}
