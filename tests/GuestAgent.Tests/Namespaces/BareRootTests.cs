using System.Diagnostics;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>A root without /dev, as builders of images and early ramdisks have.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class BareRootTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("bare-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task An_agent_without_dev_is_ready_and_tells_its_status()
    {
        await using var agent = new AgentProcess(_folder.FullName, "--mount", "mount -t tmpfs -o ro bare /dev");
        await agent.ReadyAsync();
        Assert.True((await agent.Instance.Info.GetAsync(agent.Soon)).Uptime > TimeSpan.Zero);
        var status = await agent.InsideAsync([.. AgentProcess.Program, "status", "--control-socket", $"{_folder.FullName}/control.sock"]);
        Assert.Contains("ready", status, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_without_dev_and_without_an_agent_is_a_line_and_its_code()
    {
        var start = new ProcessStartInfo("unshare") { RedirectStandardError = true };
        string[] words =
        [
            "--mount", "--", "/bin/sh", "-ec", "mount -t tmpfs -o ro bare /dev; exec \"$@\"", "sh",
            .. AgentProcess.Program, "status", "--control-socket", $"{_folder.FullName}/control.sock",
        ];
        Array.ForEach(words, start.ArgumentList.Add);
        using var process = Process.Start(start)!;
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal((3, $"channel-agent: not running: nobody listens at {_folder.FullName}/control.sock\n"), (process.ExitCode, errors));
    }
}
