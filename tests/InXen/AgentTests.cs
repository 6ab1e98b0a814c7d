using System.Globalization;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Files;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using MountOutcome = ChannelSdk.Host.Freeze.MountOutcome;

namespace ChannelSdk.InXen;

/// <summary>What the agent of a domain does over vchan, found without any configuration.</summary>
[Collection("shared domains")]
public class AgentTests(SharedDomains domains)
{
    private static CancellationToken Soon => TestDomain.Soon;

    [Theory]
    [InlineData(XenDomainType.Pv)]
    [InlineData(XenDomainType.Pvh)]
    public async Task The_agent_answers_who_and_what_it_is(XenDomainType type)
    {
        var instance = domains[type].Instance;
        var info = await instance.Info.GetAsync(Soon);
        Assert.Equal("ChannelSdk test guest", info.Os!.PrettyName);
        Assert.Equal(type == XenDomainType.Pv ? "PV" : "PVH", await domains[type].ShAsync("cat /sys/hypervisor/guest_type"));
        await instance.Info.PingAsync(Soon);
        Assert.Equal((Reachability.Up, StateWord.Ready), (instance.Status.Reachability, instance.Status.State));
    }

    [Theory]
    [InlineData(XenDomainType.Pv)]
    [InlineData(XenDomainType.Pvh)]
    public async Task Transfers_in_both_directions_survive_cuts_of_the_link(XenDomainType type)
    {
        var instance = domains[type].Instance;
        var before = instance.Status.Channel.Resumes;
        await instance.Measure.SendAsync(2 << 20, new Cutter(instance), Soon);
        await instance.Measure.ReceiveAsync(2 << 20, new Cutter(instance), Soon);
        Assert.True(instance.Status.Channel.Resumes >= before + 2, $"{instance.Status.Channel.Resumes - before} resumes");
    }

    [Theory]
    [InlineData(XenDomainType.Pv)]
    [InlineData(XenDomainType.Pvh)]
    public async Task Nothing_is_written_between_a_freeze_and_its_thaw(XenDomainType type)
    {
        var domain = domains[type];
        await domain.ShAsync("insmod /modules/loop.ko; dd if=/dev/zero of=/tmp/fs.img bs=1M count=4 2>/dev/null;"
            + " mkdir -p /f; losetup /dev/loop0 /tmp/fs.img && mke2fs /dev/loop0 >/dev/null 2>&1 && mount -t ext4 /dev/loop0 /f");
        await using var writer = await domain.Instance.Exec.StartAsync(
            new ExecOptions { Command = ["/bin/sh", "-c", "while :; do echo new > /f/file; cut -d' ' -f1 /proc/uptime; usleep 20000; done"] }, Soon);
        using var times = new StreamReader(writer.StandardOutput);
        await times.ReadLineAsync(Soon);

        var report = await domain.Instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(60), ["/f"], cancellationToken: Soon);
        Assert.Equal(MountOutcome.Frozen, Assert.Single(report.Mounts).Outcome);
        var frozenAt = TimeProvider.System.GetTimestamp();
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.True((await domain.Instance.Freeze.StatusAsync(Soon)).Left > TimeSpan.Zero);
        var frozenFor = TimeProvider.System.GetElapsedTime(frozenAt);
        await domain.Instance.Freeze.ThawAsync(cancellationToken: Soon);

        // The writer's clock is the domain's own, so what matters is how far apart two of its writes are.
        var gap = 0.0;
        for (var last = await NextAsync(times); gap < frozenFor.TotalSeconds;)
        {
            var next = await NextAsync(times);
            (gap, last) = (Math.Max(gap, next - last), next);
        }

        await writer.KillAsync();
        await domain.ShAsync("umount /f; losetup -d /dev/loop0; rm /tmp/fs.img");
    }

    [Theory]
    [InlineData(XenDomainType.Pv)]
    [InlineData(XenDomainType.Pvh)]
    public async Task A_file_is_copied_in_and_out_again(XenDomainType type)
    {
        var instance = domains[type].Instance;
        var folder = Directory.CreateTempSubdirectory("copy-").FullName;
        var (there, back) = (Path.Combine(folder, "there"), Path.Combine(folder, "back"));
        var content = new byte[1_500_001];
        new Random(7).NextBytes(content);
        await File.WriteAllBytesAsync(there, content);
        await instance.Files.CopyInAsync(there, new GuestPath("/tmp/copied"), cancellationToken: Soon);
        await instance.Files.CopyOutAsync(new GuestPath("/tmp/copied"), back, cancellationToken: Soon);
        Assert.Equal(content, await File.ReadAllBytesAsync(back));
        await domains[type].ShAsync("rm /tmp/copied");
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData(XenDomainType.Pv)]
    [InlineData(XenDomainType.Pvh)]
    public async Task A_program_gets_its_input_and_gives_its_output_and_code(XenDomainType type)
    {
        var result = await domains[type].Instance.Exec.RunAsync(
            new ExecOptions { Command = ["/bin/sh", "-c", "tr a-z A-Z; echo wrong >&2; exit 7"] }, "spoken"u8.ToArray(), cancellationToken: Soon);
        Assert.Equal(7, result.Exit.Code);
        Assert.Equal("SPOKEN"u8, result.Output.Span);
        Assert.Equal("wrong\n"u8, result.Error.Span);
    }

    [Theory]
    [InlineData(XenDomainType.Pv)]
    [InlineData(XenDomainType.Pvh)]
    public async Task A_domain_without_a_network_reads_its_own_metadata(XenDomainType type)
    {
        const string address = "http://169.254.169.254/latest/meta-data";
        Assert.Equal($"{SharedDomains.NameOf(type)}.example.org", await domains[type].ShAsync($"wget -qO- {address}/local-hostname"));
        Assert.Equal($"i-{SharedDomains.NameOf(type)}", await domains[type].ShAsync($"wget -qO- {address}/instance-id"));
    }

    private static async Task<double> NextAsync(StreamReader times) =>
        double.Parse((await times.ReadLineAsync(Soon))!, CultureInfo.InvariantCulture);

    /// <summary>Cuts the link once, in the middle.</summary>
    private sealed class Cutter(Instance instance) : IProgress<long>
    {
        private bool _isDone;

        public void Report(long value)
        {
            if (!_isDone && value > 1 << 20)
            {
                _isDone = true;
                instance.DropLink("the test");
            }
        }
    }
}
