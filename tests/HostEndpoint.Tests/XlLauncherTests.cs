using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>What the launcher asks of xl, by a script in its place; tests/InXen has the real one.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class XlLauncherTests : IDisposable
{
    private const string Operation = "00112233445566778899aabbccddeeff";

    private const string FakeXl = """
        #!/bin/sh
        here=$(dirname "$0")
        for word in "$@"; do printf '[%s]' "$word"; done >> "$here/calls"
        echo >> "$here/calls"
        case $1 in
          create)
            [ -e "$here/refusal" ] && { cat "$here/refusal" >&2; exit 3; }
            echo "Parsing config from $3"
            echo "$MARK" > "$here/environment"
            cp "$3" "$here/config"
            mkfifo "$here/alive"
            echo "Waiting for domain x (domid 7) to die [pid $$]" >&2
            read -r _ < "$here/alive"
            rm "$here/alive"
            ;;
          destroy) [ -p "$here/alive" ] && echo gone 1<> "$here/alive" ;;
          *) exit 1 ;;
        esac
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("xl-").FullName;
    private readonly List<LaunchResource> _resources = [];

    public XlLauncherTests()
    {
        File.WriteAllText(At("xl"), FakeXl);
        File.SetUnixFileMode(At("xl"), (UnixFileMode)0b111_101_101);
        foreach (var file in (string[])["kernel", "initrd", "disk.img"])
        {
            File.WriteAllText(At(file), "");
        }
    }

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Fact]
    public async Task A_domain_is_made_from_a_file_in_the_requests_folder_and_named_in_a_trace_before()
    {
        await using (var launched = await Launcher(append: "a=$(id) b='c'").LaunchAsync(Request(new TargetDisk("/dev/vg/lv"), new TargetDisk(At("disk.img"))) with { Media = [At("initrd")] }, Soon))
        {
            var config = await File.ReadAllLinesAsync(At("config"));
            Assert.Contains($"name = \"channelsdk-{Operation}\"", config);
            Assert.Contains("type = \"pvh\"", config);
            Assert.Contains("extra = \"console=hvc0 quiet panic=-1 a=$(id) b='c'\"", config);
            Assert.Contains($"disk = [\"format=raw,vdev=xvda,access=rw,target=/dev/vg/lv\", \"format=raw,vdev=xvdb,access=rw,script=block,target={At("disk.img")}\", \"format=raw,vdev=xvdc,access=ro,script=block,target={At("initrd")}\"]", config);
            Assert.Contains("on_crash = \"destroy\"", config);
            Assert.Equal(["/dev/xvda", "/dev/xvdb"], launched.DiskDevices);
            Assert.Equal(["/dev/xvdc"], launched.MediaDevices);
            Assert.Equal("vchan://7/org.channelsdk.agent.0", launched.Endpoint.Uri);
            Assert.Equal("marked", (await File.ReadAllTextAsync(At("environment"))).Trim());
            Assert.Equal([LaunchResourceKind.Domain, LaunchResourceKind.Process], _resources.Select(t => t.Kind));
            Assert.Equal($"channelsdk-{Operation}", _resources[0].Name);
            Assert.False(launched.Exited.IsCompleted);
        }

        Assert.Equal([$"[create][-F][{At($"channelsdk-{Operation}.cfg")}]", $"[destroy][channelsdk-{Operation}]"], await File.ReadAllLinesAsync(At("calls")));
    }

    [Fact]
    public async Task A_kill_destroys_the_domain_and_its_end_is_seen()
    {
        await using var launched = await Launcher().LaunchAsync(Request(), Soon);
        await launched.KillAsync(TimeSpan.FromSeconds(20));
        Assert.True(launched.Exited.IsCompleted);
    }

    [Fact]
    public async Task A_refusal_of_xl_has_its_error_output_and_leaves_nothing()
    {
        await File.WriteAllTextAsync(At("refusal"), "libxl: error: no memory for\u001b[2J it\n");
        var error = await Assert.ThrowsAsync<ChannelException>(() => Launcher().LaunchAsync(Request(), Soon));
        Assert.Equal(ChannelError.TransportFailed, error.Code);
        Assert.Contains("xl create failed with code 3: libxl: error: no memory for\\u001b[2J it", error.Message);
        Assert.Contains($"[destroy][channelsdk-{Operation}]", await File.ReadAllLinesAsync(At("calls")));
    }

    [Fact]
    public async Task A_cancelled_launch_leaves_no_domain()
    {
        await File.WriteAllTextAsync(At("xl"), FakeXl.Replace("echo \"Waiting", "echo \"Working", StringComparison.Ordinal));
        using var cancel = new CancellationTokenSource();
        var launching = Launcher().LaunchAsync(Request(), cancel.Token);
        while (!File.Exists(At("alive")))
        {
            await Task.Delay(5);
            Assert.False(launching.IsCompleted);
        }

        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => launching);
        Assert.Contains($"[destroy][channelsdk-{Operation}]", await File.ReadAllLinesAsync(At("calls")));
    }

    [Theory]
    [InlineData("qcow2", "", "raw disks")]
    [InlineData("raw", "say \"it\"", "quote or control character")]
    [InlineData("raw", "a\nname = 'other'", "quote or control character")]
    public async Task What_a_configuration_file_cannot_say_is_refused_before_anything_runs(string format, string append, string why)
    {
        var error = await Assert.ThrowsAsync<ChannelException>(() => Launcher(append).LaunchAsync(Request(new TargetDisk(At("disk.img"), format)), Soon));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains(why, error.Message);
        Assert.False(File.Exists(At("calls")));
    }

    [Fact]
    public async Task A_host_without_xl_is_told_so()
    {
        File.Delete(At("xl"));
        var error = await Assert.ThrowsAsync<ChannelException>(() => Launcher().LaunchAsync(Request(), Soon));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains("is this dom0", error.Message);
    }

    [Theory]
    [InlineData("Waiting for domain vm1 (domid 12) to die [pid 300]", 12u)]
    [InlineData("Waiting for domain vm1 (domid 12", null)]
    [InlineData("Waiting for domain vm1 (domid -3) to die", null)]
    [InlineData("Waiting for domain vm1 (domid 99999999999) to die", null)]
    [InlineData("Domain 12 has been destroyed.", null)]
    public void The_number_is_taken_from_xls_output_about_a_new_domain(string line, uint? number) => Assert.Equal(number, XlMonitor.DomainOf(line));

    [Theory]
    [InlineData("Domain 12 has shut down, reason code 1 0x1", "it was reset from inside")]
    [InlineData("Domain 12 has shut down, reason code 3 0x3", "it crashed")]
    [InlineData("Domain 12 has been destroyed.", "its domain was destroyed")]
    [InlineData("Domain 12 has shut down, reason code x", null)]
    [InlineData("Action for shutdown reason code 3 is destroy", null)]
    public void Why_a_domain_ended_is_taken_from_xls_output(string line, string? reason) => Assert.Equal(reason, XlMonitor.ReasonOf(line));

    [Fact]
    public async Task The_end_of_a_domain_is_told_with_xls_words()
    {
        await File.WriteAllTextAsync(At("xl"), FakeXl.Replace("read -r _", "echo \"Domain 7 has shut down, reason code 3 0x3\" >&2; exit 0\nread -r _", StringComparison.Ordinal));
        await using var launched = await Launcher().LaunchAsync(Request(), Soon);
        await launched.Exited.WaitAsync(Soon);
        var known = await launched.DiagnoseAsync();
        Assert.Equal("it crashed", known.Reason);
        Assert.Equal("Domain 7 has shut down, reason code 3 0x3\n"u8, known.Errors.Span);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    private XlLauncher Launcher(string append = "") => new(new XlLauncherOptions
    {
        Kernel = At("kernel"),
        Initrd = At("initrd"),
        Append = append,
        Type = XenDomainType.Pvh,
        Program = At("xl"),
    });

    private LaunchRequest Request(params TargetDisk[] disks) => new()
    {
        Instance = "vm1",
        Operation = Operation,
        Folder = _folder,
        Disks = disks,
        Environment = new Dictionary<string, string> { ["MARK"] = "marked" },
        OnResource = _resources.Add,
    };
}
