using System.Globalization;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Fuzz.Tests.Targets;
using Xunit.Abstractions;

namespace ChannelSdk.Fuzz.Tests;

/// <summary>
/// Each target on all processors at once. CHANNELSDK_FUZZ_SECONDS sets how long (5 by default, 20 at most), CHANNELSDK_FUZZ_SEED
/// with which seed to begin. It begins with the same one each time, so that a change is judged by inputs that were there before it;
/// new ones are for <c>./fuzz</c>, for hours, and for <c>./test --long</c>.
/// </summary>
public sealed class FuzzTests(FuzzTests.Copy copy, ITestOutputHelper output) : IClassFixture<FuzzTests.Copy>, IDisposable
{
    private const int MostSeconds = 20;
    private const int MostSecondsOfAll = 240;
    private static readonly string s_corpus = Path.Combine(AppContext.BaseDirectory, "corpus");
    private readonly DirectoryInfo _findings = Directory.CreateTempSubdirectory("channelsdk-findings-");
    private bool _keepsFindings;

    public static TheoryData<string> Names => [.. AllTargets.All.Select(static target => target.Name)];

    public void Dispose()
    {
        if (!_keepsFindings)
        {
            _findings.Delete(recursive: true);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Nothing_that_a_hostile_party_sends_breaks_a_promise(string name)
    {
        var time = TimeSpan.FromSeconds(Math.Min(Setting("CHANNELSDK_FUZZ_SECONDS", 5), Math.Min(MostSeconds, MostSecondsOfAll / AllTargets.All.Count)));
        var isLong = Environment.GetEnvironmentVariable("CHANNELSDK_LONG") is not null;
        var seed = Setting("CHANNELSDK_FUZZ_SEED", isLong ? Environment.TickCount & 0xFFFFFF : 1);
        var outcomes = await Task.WhenAll(Enumerable.Range(seed, Environment.ProcessorCount).Select(one => RunAsync(copy.Program, name, time, one)));
        Assert.All(outcomes, static outcome => Assert.Null(outcome.Finding));
        Assert.All(outcomes, static outcome => Assert.True(outcome.Edges >= 50, "the fuzz reached nothing"));
    }

    [Fact]
    public async Task A_credit_check_that_is_missing_is_found_within_thirty_seconds()
    {
        using var faulty = new InstrumentedCopy(PlantedFault.RemoveCreditCheck);
        var seed = Setting("CHANNELSDK_FUZZ_SEED", 1);
        // Without the corpus, which has inputs that go beyond their credit.
        var outcome = await RunAsync(faulty.Program, "session", TimeSpan.FromSeconds(30), seed, Path.Combine(_findings.FullName, "none"));
        Assert.Contains("bytes came on a stream; its window is", outcome.Finding, StringComparison.Ordinal);
        _keepsFindings = false;

        // What was built has the check.
        var input = await File.ReadAllBytesAsync(Path.Combine(_findings.FullName, $"session-{seed}"));
        Assert.Null(FuzzLoop.Judge(AllTargets.Find("session")!, input));
    }

    [Theory]
    [InlineData(SelfTestTarget.Death, "the process died")]
    [InlineData(SelfTestTarget.Throw, "an exception of the target")]
    [InlineData(SelfTestTarget.Memory, "bytes; 16777216 are allowed")]
    public async Task A_finding_leaves_its_input_however_it_ends_the_loop(string kind, string text)
    {
        var corpus = Path.Combine(_findings.FullName, "corpus", SelfTestTarget.TargetName);
        Directory.CreateDirectory(corpus);
        await File.WriteAllTextAsync(Path.Combine(corpus, "input"), kind);
        var outcome = await FuzzProcess.RunAsync(copy.Program, SelfTestTarget.TargetName, TimeSpan.FromSeconds(1), 1, Path.GetDirectoryName(corpus)!, _findings.FullName);
        Assert.Contains(text, outcome.Finding, StringComparison.Ordinal);
        Assert.Equal(kind, await File.ReadAllTextAsync(Path.Combine(_findings.FullName, $"{SelfTestTarget.TargetName}-1")));
    }

    private async Task<FuzzOutcome> RunAsync(string program, string name, TimeSpan time, int seed, string? corpus = null)
    {
        var outcome = await FuzzProcess.RunAsync(program, name, time, seed, corpus ?? s_corpus, _findings.FullName);
        output.WriteLine(outcome.Line);
        Console.WriteLine(outcome.Line);
        _keepsFindings |= outcome.Finding is not null;
        return outcome;
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : otherwise;

    /// <summary>The copy that all tests of a run share.</summary>
    public sealed class Copy : IDisposable
    {
        private readonly InstrumentedCopy _copy = new();

        internal string Program => _copy.Program;

        public void Dispose() => _copy.Dispose();
    }
}
