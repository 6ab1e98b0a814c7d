using System.Diagnostics;

namespace ChannelSdk.HostEndpoint.Tests;

[Trait(Lane.Name, Lane.Integration)]
public class ExampleTests
{
    [Fact]
    public async Task A_console_program_that_links_the_host_alone_has_info_logs_and_metrics_and_no_web_server()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await using var guest = new GuestDouble();
        // Built beside the tests, with its own list of what it needs.
        using var process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "info.dll"), guest.Uri]) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        Assert.Equal(0, process.ExitCode);
        Assert.Contains("evil\\u001b[2Jname: Double, 0, up ", output);
        Assert.Contains("info: ChannelSdk.Host[1010] vm1: link to ", output);
        Assert.Contains("metric channelsdk.calls 1 {call}", output);
        Assert.Contains("metric channelsdk.link.up 1 {link}", output);
        var assemblies = output[output.IndexOf("assemblies: ", StringComparison.Ordinal)..].Split('\n')[0].Split(' ');
        Assert.Contains("ChannelSdk.HostEndpoint", assemblies);
        Assert.DoesNotContain(assemblies, static name => name.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal));
        Assert.DoesNotContain(assemblies, static name => name is "ChannelSdk.Metadata" or "ChannelSdk.Install" or "ChannelSdk.Hypervisors");
    }
}
