using System.Globalization;
using ChannelSdk.GuestAgent.Tests.Qga;
using ChannelSdk.Host.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>An agent in a guest that has run out of something.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class ScarcityTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("scarce-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Without_a_free_descriptor_the_ways_in_wait_and_serve_when_there_is_one()
    {
        await using var agent = new AgentProcess(_folder.FullName, "--mount", "true");
        await agent.ReadyAsync();
        await agent.Instance.Info.GetAsync(agent.Soon);
        using var present = await agent.ConnectQgaAsync();
        await present.CallAsync("guest-ping");

        // Numbers are given from the lowest; from this one on there are none.
        var first = Enumerable.Range(0, int.MaxValue).First(number => !File.Exists(Descriptor(agent.Id, number)) && !Directory.Exists(Descriptor(agent.Id, number)));
        await LimitAsync(agent, $"{first}:");
        var waiting = new List<QgaTestClient>();
        for (var i = 0; i < 3; i++)
        {
            waiting.Add(await agent.ConnectQgaAsync());
            await waiting[i].SendAsync("{\"execute\":\"guest-ping\"}\n");
        }

        var answer = waiting[0].ReadLineAsync();
        for (var i = 0; i < 20; i++)
        {
            // What is there is served meanwhile.
            await present.CallAsync("guest-ping");
            await agent.Instance.Info.PingAsync(agent.Soon);
            await Task.Delay(10, agent.Soon);
        }

        Assert.False(answer.IsCompleted, "there was a descriptor left");

        await LimitAsync(agent, "1024:");
        // Sooner than the 5 s after which a server whose socket has failed opens it again.
        Assert.Contains("return", System.Text.Encoding.UTF8.GetString((await answer.WaitAsync(TimeSpan.FromSeconds(3)))!), StringComparison.Ordinal);
        Assert.All(waiting[1..], client => Assert.NotNull(client.ReadLineAsync().WaitAsync(agent.Soon).GetAwaiter().GetResult()));
        // The host's own way in too.
        agent.Instance.DropLink("test");
        await agent.Instance.Info.GetAsync(agent.Soon);
        waiting.ForEach(static client => client.Dispose());
    }

    [Fact]
    public async Task A_file_that_is_one_hole_fits_onto_a_full_disk_and_one_with_bytes_fails_with_the_free_space()
    {
        var root = _folder.FullName;
        await using var agent = new AgentProcess(root, "--mount", $"""
            mkdir {root}/full
            mount -t tmpfs -o size=64k full {root}/full
            head -c 64k /dev/zero >{root}/full/all
            """);
        await agent.ReadyAsync();
        using (var hole = File.Create($"{root}/hole"))
        {
            hole.SetLength(64 << 20);
        }

        var copied = await agent.Instance.Files.CopyInAsync($"{root}/hole", $"{root}/full/hole", cancellationToken: agent.Soon);
        Assert.Equal((64 << 20, 0), (copied.Bytes, copied.DataBytes));
        var facts = await agent.Instance.Files.StatAsync($"{root}/full/hole", agent.Soon);
        Assert.Equal((64L << 20, 0L), (facts.Size, facts.AllocatedBytes));

        File.WriteAllBytes($"{root}/bytes", new byte[5000].Select(static (_, i) => (byte)(i | 1)).ToArray());
        var refused = await Assert.ThrowsAsync<ChannelException>(
            () => agent.Instance.Files.CopyInAsync($"{root}/bytes", $"{root}/full/bytes", cancellationToken: agent.Soon));
        Assert.Equal(ChannelError.ResourceExhausted, refused.Code);
        Assert.Contains("the file system has 0 left", refused.Message, StringComparison.Ordinal);
    }

    private static string Descriptor(int process, int number) => string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/fd/{number}");

    private static Task<string> LimitAsync(AgentProcess agent, string limit) =>
        Programs.OutputAsync(agent.Soon, "prlimit", "--pid", agent.Id.ToString(CultureInfo.InvariantCulture), $"--nofile={limit}");
}
