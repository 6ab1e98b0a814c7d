using System.Globalization;
using System.Text.Json.Nodes;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Guest.Tests;

/// <summary>What the QEMU of an appliance may do on its host, read from /proc and tried from inside of it.</summary>
[Collection("appliance")]
public sealed class ConfinementTests(Appliance appliance) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("confined-");
    private readonly List<string> _notes = [];
    private readonly List<LaunchResource> _resources = [];

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(120)).Token;

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(ApplianceTransport.VirtioSerial)]
    [InlineData(ApplianceTransport.Vsock)]
    [InlineData(ApplianceTransport.Tap)]
    [InlineData(ApplianceTransport.UserNet)]
    public async Task It_has_a_user_a_filter_bounds_and_a_network_of_its_own(ApplianceTransport transport)
    {
        var disk = NewDisk("disk.img");
        var launcher = appliance.Launcher(transport);
        var pid = 0;
        IReadOnlyList<string> groups;
        await using (var launched = await launcher.LaunchAsync(Request("vm", [disk]), Soon))
        {
            pid = int.Parse(_resources.Single(t => t.Kind == LaunchResourceKind.Process).Name, CultureInfo.InvariantCulture);
            var status = await FinalStatusAsync(pid);
            var user = uint.Parse(status["Uid"].Split('\t')[0], CultureInfo.InvariantCulture);
            Assert.InRange(user, UserRange.Appliances.First, UserRange.Appliances.Last);
            Assert.Equal($"{user}\t{user}\t{user}\t{user}", status["Uid"]);
            Assert.Equal(status["Uid"], status["Gid"]);
            foreach (var capabilities in (string[])["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
            {
                Assert.Equal("0000000000000000", status[capabilities]);
            }

            Assert.Equal(("1", "2"), (status["NoNewPrivs"], status["Seccomp"]));

            // Its environment has what identifies it and where programs are, and its command line no disk.
            var names = (await File.ReadAllTextAsync($"/proc/{pid}/environ")).Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(v => v.Split('=')[0]);
            Assert.Equal([], names.Except(["PATH", "TMPDIR", "LC_ALL", "CHANNELSDK_APPLIANCE", "PWD", "_", "SHLVL", "OLDPWD"]));
            Assert.DoesNotContain(disk.Path, await File.ReadAllTextAsync($"/proc/{pid}/cmdline"));
            Assert.Contains(disk.Path, Directory.GetFiles($"/proc/{pid}/fd").Select(fd => new FileInfo(fd).LinkTarget));

            // A network of its own, with nothing in it.
            Assert.NotEqual(new FileInfo("/proc/self/ns/net").LinkTarget, new FileInfo($"/proc/{pid}/ns/net").LinkTarget);
            Assert.Equal(["lo"], (await File.ReadAllLinesAsync($"/proc/{pid}/net/dev")).Skip(2).Select(line => line.Trim().Split(':')[0]));

            groups = [.. _resources.Where(t => t.Kind == LaunchResourceKind.ControlGroup).Select(t => t.Name)];
            Assert.All(groups, group => Assert.Contains(pid.ToString(CultureInfo.InvariantCulture), File.ReadAllLines($"{group}/cgroup.procs")));
            AssertBounds(groups);
        }

        Assert.Null(ProcessIdentity.Of(pid));
        Assert.All(groups, group => Assert.False(Directory.Exists(group)));
        Assert.Equal(transport == ApplianceTransport.UserNet ? ["the appliance's QEMU may start programs, as the user network starts one for each connection"] : [],
            _notes.Where(note => !note.StartsWith("no control group", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task It_can_open_no_file_of_another_instance_and_not_reach_its_appliance()
    {
        using var rig = new InstallRig(appliance);
        var mine = NewDisk("mine.img");
        var theirs = NewDisk("theirs.img");
        await using var other = await appliance.Launcher(ApplianceTransport.VirtioSerial).LaunchAsync(Request("other", [theirs]), Soon);
        var otherProcess = _resources.Last(t => t.Kind == LaunchResourceKind.Process).Name;
        var otherStatus = await FinalStatusAsync(int.Parse(otherProcess, CultureInfo.InvariantCulture));

        using var confinement = QemuConfinement.Of(new QemuLauncherOptions { Kernel = "k", Initrd = "i", Accelerator = "tcg", MemoryMiB = 32 }, Guid.NewGuid().ToString("N"), 32, 1, _notes.Add);
        Assert.NotEqual(otherStatus["Uid"].Split('\t')[0], confinement.User!.Value.Uid.ToString(CultureInfo.InvariantCulture));
        using var files = new QemuDescriptors();
        await using var guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = "tcg",
            MemoryMiB = 32,
            Folder = _folder.CreateSubdirectory("own").FullName,
            RunAs = confinement.User,
            Confinement = confinement,
            Descriptors = files,
            Arguments = QemuDisk.Arguments(files, mine.Path, "raw", "mine", 8),
        }, Soon);
        string[] closed =
        [
            theirs.Path,
            rig.At("records"),
            .. Directory.GetFiles(rig.At("records")),
            $"/proc/{otherProcess}/mem",
            $"/proc/{otherProcess}/environ",
            $"{_folder.FullName}/other/console.sock",
        ];
        foreach (var path in closed)
        {
            Assert.True(Path.Exists(path), path);
            Assert.Contains("Permission denied", await RefusedAsync(guest, path));
        }

        // Of its own it has what it was given, and not by its path.
        Assert.Contains("Permission denied", await RefusedAsync(guest, mine.Path));
        Assert.Equal("{}", (await guest.Qmp.ExecuteAsync("block_resize", "{\"node-name\":\"mine\",\"size\":67108864}", Soon)).ToString());
        Assert.Equal(64 << 20, new FileInfo(mine.Path).Length);
    }

    private static async Task<string> RefusedAsync(QemuGuest guest, string path)
    {
        var arguments = new JsonObject { ["driver"] = "file", ["node-name"] = "probe", ["filename"] = path, ["read-only"] = true };
        return (await Assert.ThrowsAsync<ChannelException>(() => guest.Qmp.ExecuteAsync("blockdev-add", arguments.ToJsonString(), Soon))).Message;
    }

    // QEMU switches its filter on while it starts.
    private static async Task<Dictionary<string, string>> FinalStatusAsync(int pid)
    {
        while (true)
        {
            var status = (await File.ReadAllLinesAsync($"/proc/{pid}/status")).Select(line => line.Split(':', 2)).ToDictionary(p => p[0], p => p[1].Trim());
            if (status["Seccomp"] == "2")
            {
                return status;
            }

            await Task.Delay(5, Soon);
        }
    }

    // By the files of either version of control groups; a host without a controller is told of in a note.
    private void AssertBounds(IReadOnlyList<string> groups)
    {
        string? Limit(params string[] names) => groups.SelectMany(group => names.Select(name => $"{group}/{name}")).Where(File.Exists).Select(file => File.ReadAllText(file).Trim()).FirstOrDefault(text => text is not ("max" or "-1"));
        foreach (var (what, value, expected) in ((string, string?, string)[])[
            ("memory", Limit("memory.max", "memory.limit_in_bytes"), ((192L + 512 + 1024) << 20).ToString(CultureInfo.InvariantCulture)),
            ("processes", Limit("pids.max"), "512"),
            ("time of processors", Limit("cpu.max", "cpu.cfs_quota_us"), "200000")])
        {
            if (_notes.Any(note => note.Contains($"bounds the {what}", StringComparison.Ordinal)))
            {
                continue;
            }

            // With KVM nothing is translated.
            Assert.Contains(value?.Split(' ')[0], (string[])[expected, ((192L + 512) << 20).ToString(CultureInfo.InvariantCulture)]);
        }
    }

    private LaunchRequest Request(string name, IReadOnlyList<TargetDisk> disks)
    {
        var operation = Guid.NewGuid().ToString("N");
        return new LaunchRequest
        {
            Instance = name,
            Operation = operation,
            Folder = _folder.CreateSubdirectory(name).FullName,
            Disks = disks,
            Environment = new Dictionary<string, string> { ["CHANNELSDK_APPLIANCE"] = operation },
            OnResource = _resources.Add,
            OnNote = _notes.Add,
        };
    }

    private TargetDisk NewDisk(string name)
    {
        var path = Path.Combine(_folder.FullName, name);
        using var file = File.Create(path);
        file.SetLength(32 << 20);
        return new TargetDisk(path);
    }
}
