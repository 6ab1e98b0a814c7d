using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Machines;

/// <summary>The parts of an appliance's confinement, without a QEMU.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class QemuConfinementTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void No_two_appliances_have_one_user_and_a_user_comes_back_when_its_appliance_has_ended()
    {
        var range = new UserRange(70_000, 70_001);
        var place = _folder.At("users");
        using var first = UserLease.Take(range, place, 1)!;
        using (var second = UserLease.Take(range, place, 1)!)
        {
            Assert.Equal((70_001u, 70_000u), (first.User, second.User));
            Assert.Null(UserLease.Take(range, place, 0));
        }

        using var third = UserLease.Take(range, place, 1)!;
        Assert.Equal(70_000u, third.User);
        // A file that a killed program has left is no lock.
        first.Dispose();
        File.WriteAllText(_folder.At("users", "70001"), "");
        using var fourth = UserLease.Take(range, place, 1)!;
        Assert.Equal(70_001u, fourth.User);
        // Those of appliances and of workers have none in common.
        Assert.True(UserRange.Appliances.Last < UserRange.Workers.First);
        File.WriteAllText(_folder.At("file"), "");
        Assert.Contains(_folder.At("file"), Assert.Throws<IOException>(() => UserLease.Take(range, _folder.At("file"), 0)).Message);
    }

    [Fact]
    public void An_appliance_waits_for_a_user_when_all_of_its_range_are_taken()
    {
        if (!Capabilities.Has(Capabilities.SetUid))
        {
            // Then it gets none.
            return;
        }

        var range = new UserRange(70_010, 70_010);
        QemuConfinement Confine() => QemuConfinement.Of(new QemuLauncherOptions { Kernel = "k", Initrd = "i", Users = range, Accelerator = "tcg" }, new string('a', 32), 512, 1, static _ => { });
        using var first = Confine();
        var error = Assert.Throws<ChannelException>(Confine);
        Assert.Equal((ChannelError.ResourceExhausted, "all users of the range 70010-70010 are taken by other appliances; wait, or widen the range"), (error.Code, error.Message));
    }

    [Theory]
    [InlineData("70000-70001", true)]
    [InlineData("70000", false)]
    [InlineData("0-5", false)]
    [InlineData("9-8", false)]
    [InlineData("1-4294967294", false)]
    [InlineData("a-b", false)]
    public void A_range_of_users_has_two_ends(string text, bool isRange)
    {
        Assert.Equal(isRange, UserRange.TryParse(text, out var range));
        Assert.Equal(isRange ? text : "", isRange ? range.ToString() : "");
    }

    [Fact]
    public void What_is_switched_off_is_told_in_a_line_each()
    {
        var told = new List<string>();
        using var confinement = QemuConfinement.Of(new QemuLauncherOptions { Kernel = "k", Initrd = "i", Users = null, Sandbox = false, Accelerator = "tcg" }, new string('a', 32), 512, 1, told.Add);
        Assert.Null(confinement.User);
        Assert.Equal(
            ["the appliance's QEMU runs as this program's user, as no range of users is set for it", "the system calls of the appliance's QEMU are not filtered, as its sandbox is switched off"],
            told.Take(2));
        Assert.Throws<ArgumentException>(() => new QemuLauncher(new QemuLauncherOptions { Kernel = "k", Initrd = "i", Users = new UserRange(5, 4) }));
    }

    [Fact]
    public async Task All_that_is_in_the_groups_ends_with_them_and_their_bounds_hold()
    {
        var group = ResourceGroup.Create("bounds-test", new ResourceLimits(64 << 20, 20, 150));
        if (group.Paths.Count == 0)
        {
            // A machine without control groups says so of each.
            Assert.Equal(["memory", "pids", "cpu"], group.Missing);
            return;
        }

        var program = ChildProcess.Request("/bin/sh", ["-c", "setsid sleep 1000 & sleep 1000"]) with { ProcessesFiles = group.ProcessesFiles, NewSession = true };
        Assert.Equal(0, ProcessSpawn.Start(program, out var pid, out var hasJoined));
        Assert.True(hasJoined);
        Assert.All(group.Paths, path => Assert.Contains(pid.ToString(CultureInfo.InvariantCulture), File.ReadAllLines($"{path}/cgroup.procs")));
        foreach (var (controller, files, value) in ((string, string[], string)[])[
            ("memory", ["memory.max", "memory.limit_in_bytes"], "67108864"), ("pids", ["pids.max"], "20"), ("cpu", ["cpu.max", "cpu.cfs_quota_us"], "150000")])
        {
            Assert.True(group.Missing.Contains(controller) || group.Paths.SelectMany(path => files.Select(name => $"{path}/{name}"))
                .Any(file => File.Exists(file) && File.ReadAllText(file).Split(' ', '\n')[0] == value), controller);
        }

        Assert.True(group.Kill());
        var status = 0;
        await Task.Run(() => ProcessCalls.WaitPid(pid, out status, 0)).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(128 + Abi.SIGKILL, ChildProcess.ExitCode(status));
        group.End();
        Assert.All(group.Paths, path => Assert.False(Directory.Exists(path)));
    }

    [Theory]
    [InlineData(0, 0UL, "")]
    [InlineData(8, 104UL, "it has a backing file, which its QEMU may not open")]
    [InlineData(72, 4UL, "its data is in another file, which its QEMU may not open")]
    [InlineData(72, 1UL, "")]
    public void A_disk_that_names_another_file_is_refused(int at, ulong value, string why)
    {
        var bytes = new byte[104];
        new byte[] { 0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 3 }.CopyTo(bytes, 0);
        if (at > 0)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(at), value);
        }

        File.WriteAllBytes(_folder.At("disk"), bytes);
        using var files = new QemuDescriptors();
        string[] Arguments() => QemuDisk.Arguments(files, _folder.At("disk"), "qcow2", "target0", 9);
        if (why.Length == 0)
        {
            Assert.Contains("\"backing\":null", Arguments()[1]);
            Assert.Equal($"lock of {_folder.At("disk")} and /dev/fdset/33", files.Explain("lock of /dev/fdset/3 and /dev/fdset/33"));
            return;
        }

        var error = Assert.Throws<ChannelException>(Arguments);
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.StartsWith($"the disk {_folder.At("disk")} cannot be used: {why}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disk_that_is_none_is_told_of_by_its_path()
    {
        using var files = new QemuDescriptors();
        string Refused(string path, string format) => Assert.Throws<ChannelException>(() => QemuDisk.Arguments(files, path, format, "target0", 9)).Message;
        Assert.Equal($"the disk {_folder.At("none")} cannot be opened: No such file or directory (errno 2)", Refused(_folder.At("none"), "raw"));
        Assert.Equal("the disk /dev/null cannot be used: it is neither a file nor a block device", Refused("/dev/null", "raw"));
        File.WriteAllText(_folder.At("text"), "text");
        Assert.Equal($"the disk {_folder.At("text")} cannot be used: it is no qcow2 image", Refused(_folder.At("text"), "qcow2"));
    }
}
