using System.Diagnostics;
using System.Text.Json;
using ChannelSdk.GuestAgent.Tests.Qga;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Freeze;
using ChannelSdk.Services.Info;
using ChannelSdk.Services.Power;
using ChannelSdk.Services.Time;
using FileSystemUsage = ChannelSdk.Host.Info.FileSystemUsage;
using GuestInfo = ChannelSdk.Host.Info.GuestInfo;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>File systems whose program hangs: a block device's, as ntfs-3g is one, and one with a mount beneath it.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class HungMountTests : IDisposable
{
    private static readonly TimeSpan s_promise = TimeSpan.FromSeconds(2);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hung-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task An_agent_with_hung_mounts_answers_within_two_seconds_and_says_which_they_are()
    {
        var root = _folder.FullName;
        await Programs.OutputAsync(default, "gcc", "-Wall", "-o", $"{root}/fuse-double", Path.Combine(AppContext.BaseDirectory, "Namespaces/fuse-double.c"));
        await using var agent = new AgentProcess(root, "--mount", $$"""
            cd {{root}}
            mkdir plain disk
            truncate -s 1M image
            serve() {
              ./fuse-double "$@" >pid.$2 &
              while [ ! -s pid.$2 ]; do kill -0 $!; sleep 0.01; done
            }
            loop=$(losetup -f --show image)
            trap 'losetup -d $loop' EXIT
            serve fuse plain double
            serve fuseblk disk $loop
            # It goes with the mount.
            losetup -d $loop
            trap - EXIT
            mount -t tmpfs inner plain/inner
            """);
        await agent.ReadyAsync();
        var before = await agent.Instance.Info.GetAsync(agent.Soon);
        Assert.All(before.FileSystems, static entry => Assert.Equal("", entry.Silent));
        Assert.Equal(4096_000u, Of(before, "disk").TotalBytes);
        Assert.True(Of(before, "plain/inner").TotalBytes > 0);
        using var client = await agent.ConnectQgaAsync();

        Stop("plain");
        Stop("disk");
        var clock = Stopwatch.StartNew();
        var asked = agent.Instance.Info.GetAsync(agent.Soon);
        var listed = client.CallAsync("guest-get-fsinfo");
        // All of it while those two are on their way.
        await agent.Instance.Channel.CallAsync(InfoMethods.Ping, new PingRequest(), default, agent.Soon);
        Assert.Equal(ChannelError.FailedPrecondition, (await Assert.ThrowsAsync<ChannelException>(
            () => agent.Instance.Channel.CallAsync(FreezeMethods.Thaw, new ThawRequest(), default, agent.Soon).AsTask())).Code);
        Assert.Equal(ChannelError.PermissionDenied, (await Assert.ThrowsAsync<ChannelException>(
            () => agent.Instance.Channel.CallAsync(PowerMethods.Request, new PowerCommand { Action = PowerAction.Shutdown }, default, agent.Soon).AsTask())).Code);
        await agent.Instance.Channel.CallAsync(TimeMethods.Get, new TimeRequest(), default, agent.Soon);
        using var second = await agent.ConnectQgaAsync();
        await second.CallAsync("guest-ping");
        Assert.Equal("thawed", (await second.CallAsync("guest-fsfreeze-status")).GetString());
        Assert.True(clock.Elapsed < s_promise, $"what needs no file system took {clock.Elapsed}");
        var info = await asked;
        Assert.True(clock.Elapsed < s_promise, $"info.Get took {clock.Elapsed}");
        var list = await listed;
        Assert.True(clock.Elapsed < s_promise, $"guest-get-fsinfo took {clock.Elapsed}");

        Assert.Equal((0L, $"{root}/plain"), (Of(info, "plain/inner").TotalBytes, Of(info, "plain/inner").Silent));
        Assert.Equal((0L, $"{root}/disk"), (Of(info, "disk").TotalBytes, Of(info, "disk").Silent));
        var home = info.FileSystems.First(static entry => entry.Mount == "/");
        Assert.Equal((true, ""), (home.TotalBytes > 0, home.Silent));
        var hung = list.EnumerateArray().Single(entry => entry.GetProperty("mountpoint").GetString() == $"{root}/disk");
        Assert.False(hung.TryGetProperty("total-bytes", out _));
        Assert.True(list.EnumerateArray().First(static entry => entry.GetProperty("mountpoint").GetString() == "/").TryGetProperty("total-bytes", out _));

        // They are remembered: no call waits for them again, until they are back.
        var threads = Directory.GetFileSystemEntries($"/proc/{agent.Id}/task").Length;
        clock.Restart();
        for (var i = 0; i < 8; i++)
        {
            Assert.Equal($"{root}/disk", Of(await agent.Instance.Info.GetAsync(agent.Soon), "disk").Silent);
        }

        Assert.True(clock.Elapsed < 2 * s_promise, $"eight more took {clock.Elapsed}");
        Assert.InRange(Directory.GetFileSystemEntries($"/proc/{agent.Id}/task").Length, 0, threads + 2);
        Signal("plain", "CONT");
        Signal("disk", "CONT");
        while (Of(await agent.Instance.Info.GetAsync(agent.Soon), "disk").Silent.Length + Of(await agent.Instance.Info.GetAsync(agent.Soon), "plain/inner").Silent.Length > 0)
        {
            await Task.Delay(10, agent.Soon);
        }
    }

    private FileSystemUsage Of(GuestInfo info, string name) => info.FileSystems.Single(entry => entry.Mount == $"{_folder.FullName}/{name}");

    private void Stop(string name)
    {
        Signal(name, "STOP");
        var state = $"/proc/{File.ReadAllText($"{_folder.FullName}/pid.{name}").Trim()}/stat";
        Assert.True(SpinWait.SpinUntil(() => File.ReadAllText(state).Contains(") T ", StringComparison.Ordinal), TimeSpan.FromSeconds(10)));
    }

    private void Signal(string name, string signal)
    {
        var number = signal == "STOP" ? 19 : 18;
        Assert.Equal(0, ProcessCalls.Kill(int.Parse(File.ReadAllText($"{_folder.FullName}/pid.{name}"), System.Globalization.CultureInfo.InvariantCulture), number));
    }
}
