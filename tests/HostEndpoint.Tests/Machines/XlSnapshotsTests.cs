using System.Security.Cryptography;
using ChannelSdk.Host.Launch;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Machines;

/// <summary>How a Xen domain is saved and others start from it, by a script in xl's place.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class XlSnapshotsTests : IDisposable
{
    /// <summary>Takes down its calls; at a save also the state of the xl that waits for the domain's end (proc(5)).</summary>
    private const string FakeXl = """
        #!/bin/sh
        here=$(dirname "$0")
        case $1 in
          info) echo "xen_major              : 4"; echo "xen_version            : $(cat "$here/version")"; exit ;;
        esac
        echo "$*" >> "$here/calls"
        case $1 in
          create | restore)
            echo $$ > "$here/monitor"
            echo "Waiting for domain vm1 (domid 7) to die [pid $$]" >&2
            exec sleep 1000
            ;;
          save)
            # The signal is on its way until the process has been on a processor.
            for i in $(seq 200); do
              state=$(cut -d' ' -f3 "/proc/$(cat "$here/monitor")/stat")
              [ "$state" = T ] && break
              sleep 0.05
            done
            echo "$state" >> "$here/calls"
            [ -e "$here/refusal" ] && { cat "$here/refusal" >&2; exit 3; }
            echo memory > "$4"
            ;;
          unpause) [ ! -e "$here/stuck" ] || { cat "$here/stuck" >&2; exit 4; } ;;
        esac
        """;

    private readonly TestFolder _folder = new();
    private readonly List<RunningMachine> _told = [];
    private readonly XlMachineLauncher _launcher;
    private readonly XlSnapshots _snapshots;

    public XlSnapshotsTests()
    {
        _launcher = new XlMachineLauncher(new XlMachineOptions { Program = _folder.Write("xl", FakeXl, isScript: true) });
        _snapshots = new XlSnapshots(_launcher);
        _folder.Write("version", "4.17.7");
        Directory.CreateDirectory(Saved);
    }

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    private string Saved => _folder.At("saved");

    private string[] Calls => File.ReadAllLines(_folder.At("calls"));

    public void Dispose()
    {
        _told.ForEach(static machine => machine.Process.Kill());
        _folder.Dispose();
    }

    [Fact]
    public async Task A_domain_is_saved_while_nothing_of_it_runs_and_another_one_starts_from_the_file()
    {
        var machine = await StartAsync();
        string[] still = [];
        var saved = await SaveAsync(machine, _ =>
        {
            still = Calls;
            return Task.CompletedTask;
        });
        string[] begin = [$"create -F {_folder.At("xl.cfg")}", $"save -p vm1 {Saved}/domain", "T"];
        Assert.Equal(begin, still);
        Assert.Equal([.. begin, "unpause vm1"], Calls);
        Assert.True(machine.IsRunning);
        AssertNotStopped(machine);
        await _snapshots.FinishAsync(Request(), Saved, Soon);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Saved, "domain")));

        _told.Clear();
        await _snapshots.StartAsync(Request() with { Instance = "vm2" }, Saved, saved, Soon);
        Assert.Equal($"restore -F {_folder.At("xl.cfg")} {Saved}/domain", Calls[^1]);
        Assert.Contains("name = \"vm2\"", await File.ReadAllLinesAsync(_folder.At("xl.cfg")));
        Assert.Equal([null, "vchan://7/org.channelsdk.agent.0"], _told.Select(static told => told.ChannelUri));
        machine.Process.Kill();
    }

    [Fact]
    public async Task A_domain_goes_on_when_it_cannot_be_saved()
    {
        var machine = await StartAsync();
        _folder.Write("refusal", "no space\n");
        var refused = await Assert.ThrowsAsync<ChannelException>(() => SaveAsync(machine, static _ => throw new InvalidOperationException("it is not saved")));
        Assert.Contains("failed with code 3: no space", refused.Message);
        File.Delete(_folder.At("refusal"));
        Assert.Equal("no copy", (await Assert.ThrowsAsync<InvalidOperationException>(() => SaveAsync(machine, static _ => throw new InvalidOperationException("no copy")))).Message);
        using var cancelled = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => SaveAsync(machine, async token =>
        {
            await cancelled.CancelAsync();
            token.ThrowIfCancellationRequested();
        }, cancelled.Token));
        Assert.Equal(3, Calls.Count(static call => call == "unpause vm1"));
        Assert.Equal("unpause vm1", Calls[^1]);
        AssertNotStopped(machine);
        _folder.Write("stuck", "no domain\n");
        Assert.Contains("no domain", (await Assert.ThrowsAsync<ChannelException>(() => SaveAsync(machine, null))).Message);
    }

    [Fact]
    public async Task Disks_alone_are_copied_while_the_domain_is_paused()
    {
        var machine = await StartAsync();
        string[] still = [];
        await _snapshots.SaveAsync(machine, new MachineSave
        {
            Machine = Request(),
            WhileStopped = _ =>
            {
                still = Calls;
                return Task.CompletedTask;
            },
        }, Soon);
        Assert.Equal("pause vm1", still[^1]);
        Assert.Equal("unpause vm1", Calls[^1]);
    }

    [Fact]
    public async Task What_cannot_be_saved_or_started_is_told_and_nothing_runs()
    {
        var machine = await StartAsync();
        var overlay = await Assert.ThrowsAsync<ChannelException>(() => _snapshots.SaveAsync(machine, new MachineSave { Machine = Request(), Folder = Saved, Overlays = ["o"] }, Soon));
        Assert.Equal(ChannelError.FailedPrecondition, overlay.Code);
        Assert.Contains("--disk-command", overlay.Message);
        var saved = await SaveAsync(machine, null);
        var calls = Calls;
        await RefusedAsync(Request() with { Hardware = new MachineHardware { MemoryMiB = 301 } }, "its memory is '301 MiB', and of the snapshot '300 MiB'");
        await RefusedAsync(Request() with { Disks = [] }, "its number of disks is '0', and of the snapshot '1'");
        _folder.Write("version", "4.18.0");
        await RefusedAsync(Request(), "its Xen is '4.18.0', and of the snapshot '4.17.7'");
        _folder.Write("version", "4.17.7");
        File.Delete(Path.Combine(Saved, "domain"));
        await RefusedAsync(Request(), "is not there");
        Assert.Contains("on this host", (await Assert.ThrowsAsync<ChannelException>(() => _snapshots.FinishAsync(Request(), Saved, Soon))).Message);
        machine.Process.Kill();
        while (machine.IsRunning)
        {
            await Task.Delay(10, Soon);
        }

        Assert.Contains("does not run", (await Assert.ThrowsAsync<ChannelException>(() => SaveAsync(machine, null))).Message);
        Assert.Equal(calls, Calls);

        async Task RefusedAsync(MachineRequest request, string why)
        {
            var error = await Assert.ThrowsAsync<ChannelException>(() => _snapshots.StartAsync(request, Saved, saved, Soon));
            Assert.Equal(ChannelError.FailedPrecondition, error.Code);
            Assert.Contains(why, error.Message);
        }
    }

    [Fact]
    public async Task A_copy_of_a_disk_has_its_content_and_its_holes()
    {
        string source = _folder.At("disk.img"), copy = _folder.At("copy.img");
        await using (var file = File.Create(source))
        {
            file.SetLength((64 << 20) + 1000);
            file.Position = 20 << 20;
            file.Write(RandomNumberGenerator.GetBytes(10_000));
        }

        Assert.Equal(new TargetDisk(copy), await _snapshots.OverlayAsync(new TargetDisk(source), copy, Soon));
        Assert.Equal(SHA256.HashData(await File.ReadAllBytesAsync(source)), SHA256.HashData(await File.ReadAllBytesAsync(copy)));
        using var du = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("du", ["-k", copy]) { RedirectStandardOutput = true })!;
        Assert.InRange(int.Parse((await du.StandardOutput.ReadToEndAsync()).Split('\t')[0], System.Globalization.CultureInfo.InvariantCulture), 1, 4096);
        await Assert.ThrowsAsync<ChannelException>(() => _snapshots.OverlayAsync(new TargetDisk(source), copy, Soon));
        Assert.True(File.Exists(copy));
        Assert.Contains("raw disks", (await Assert.ThrowsAsync<ChannelException>(() => _snapshots.OverlayAsync(new TargetDisk(source, "qcow2"), _folder.At("other"), Soon))).Message);
    }

    private MachineRequest Request() => new()
    {
        Instance = "vm1",
        Folder = _folder.Path,
        Disks = [new TargetDisk("/dev/vg/vm1")],
        Hardware = new MachineHardware { MemoryMiB = 300 },
        Boot = new MachineBoot { Kernel = "/boot/vmlinuz", Initrd = "/boot/initrd" },
        HasChannel = true,
        OnStarted = _told.Add,
    };

    private async Task<RunningMachine> StartAsync()
    {
        await _launcher.StartAsync(Request(), Soon);
        return _told[^1];
    }

    private Task<IReadOnlyDictionary<string, string>> SaveAsync(RunningMachine machine, Func<CancellationToken, Task>? whileStopped, CancellationToken? cancellationToken = null) =>
        _snapshots.SaveAsync(machine, new MachineSave { Machine = Request(), Folder = Saved, WhileStopped = whileStopped }, cancellationToken ?? Soon);

    private static void AssertNotStopped(RunningMachine machine) => Assert.DoesNotContain(") T ", File.ReadAllText($"/proc/{machine.Process.Id}/stat"));
}
