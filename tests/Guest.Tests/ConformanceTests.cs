using System.Diagnostics;
using System.Text.Json;

namespace ChannelSdk.Guest.Tests;

/// <summary>
/// A second implementation of the protocol (`tests/conformance`, Python, written from PROTOCOL.md) plays its cases against
/// the agent that ships and against the host's tool.
/// </summary>
public class ConformanceTests(ConformanceRuns runs) : IClassFixture<ConformanceRuns>
{
    [Theory]
    [MemberData(nameof(ConformanceRuns.GuestCases), MemberType = typeof(ConformanceRuns))]
    public void The_agent_does_what_the_document_says(string section, string name) => Assert.Equal("ok", Result(runs.Guest, section, name));

    [Theory]
    [MemberData(nameof(ConformanceRuns.HostCases), MemberType = typeof(ConformanceRuns))]
    public void The_host_does_what_the_document_says(string section, string name) => Assert.Equal("ok", Result(runs.Host, section, name));

    private static string Result(ConformanceRun run, string section, string name) =>
        run.Results.TryGetValue(name, out var result) ? result : $"section {section}: the case was not played. {run.Errors}";
}

/// <summary>What the peer in Python reported of all cases, by the case's name: "ok", or what went wrong.</summary>
public sealed record ConformanceRun(IReadOnlyDictionary<string, string> Results, string Errors);

/// <summary>Both runs, each once for all tests.</summary>
public sealed class ConformanceRuns : IAsyncLifetime
{
    private static readonly string s_folder = Path.Combine(SavedGuest.FindRoot(), "tests/conformance");

    public static TheoryData<string, string> GuestCases => Cases("guest");

    public static TheoryData<string, string> HostCases => Cases("host");

    public ConformanceRun Guest { get; private set; } = null!;

    public ConformanceRun Host { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-conformance-").FullName;
        try
        {
            using (var build = Process.Start(Path.Combine(SavedGuest.FindRoot(), "scripts/build-guest.sh")))
            {
                await build.WaitForExitAsync();
                Assert.Equal(0, build.ExitCode);
            }

            var socket = Path.Combine(folder, "agent.sock");
            using var agent = Start(Path.Combine(SavedGuest.FindRoot(), "artifacts/agent/channel-agent"),
                "run", "--endpoint", $"unix-listen://{socket}", "--control-socket", Path.Combine(folder, "control.sock"));
            // Read until its end, so that the agent never waits for room.
            var log = agent.StandardError.ReadToEndAsync();
            try
            {
                Guest = await RunAsync("guest", socket);
                Assert.False(agent.HasExited, "the agent has ended");
            }
            finally
            {
                agent.Kill();
                await log;
            }

            socket = Path.Combine(folder, "host.sock");
            Host = await RunAsync("host", socket, "--", Path.Combine(AppContext.BaseDirectory, "channelctl"), "{}", $"unix://{socket}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public Task DisposeAsync() => Task.CompletedTask;

    private static async Task<ConformanceRun> RunAsync(params string[] arguments)
    {
        using var player = Start("python3", [Path.Combine(s_folder, "run.py"), .. arguments]);
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        try
        {
            var (output, errors) = (player.StandardOutput.ReadToEndAsync(), player.StandardError.ReadToEndAsync());
            await player.WaitForExitAsync(patience.Token);
            var results = new Dictionary<string, string>();
            foreach (var line in (await output).Split('\n').Where(l => l.Contains(" - ", StringComparison.Ordinal)))
            {
                // TAP: "ok 3 - name", or "not ok 3 - name: what went wrong".
                var name = line[(line.IndexOf(" - ", StringComparison.Ordinal) + 3)..];
                var isGood = line.StartsWith("ok ", StringComparison.Ordinal);
                results[isGood ? name : name[..name.IndexOf(": ", StringComparison.Ordinal)]] = isGood ? "ok" : line;
            }

            return new ConformanceRun(results, await errors);
        }
        finally
        {
            player.Kill(entireProcessTree: true);
        }
    }

    private static Process Start(string program, params string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    private static TheoryData<string, string> Cases(string target)
    {
        var cases = new TheoryData<string, string>();
        foreach (var file in Directory.GetFiles(Path.Combine(s_folder, "cases"), "*.json").Order())
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            foreach (var item in document.RootElement.EnumerateArray())
            {
                if (!item.TryGetProperty("against", out var against) || against.GetString() == target)
                {
                    cases.Add(item.GetProperty("section").GetString()!, item.GetProperty("name").GetString()!);
                }
            }
        }

        return cases;
    }
}
