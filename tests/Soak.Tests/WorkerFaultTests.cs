using System.Diagnostics;
using System.Globalization;
using Xunit.Abstractions;

namespace ChannelSdk.Soak.Tests;

/// <summary>
/// Fifty quiet instances with workers, and one whose guest, monitor or worker tries each fault in turn: a part of a second each, with `./test --long` ten
/// seconds. What it costs the quiet ones in time is measured by `bench/run faults`. With CHANNELSDK_SOAK_ONLY it runs the faults whose name has this text.
/// </summary>
[Collection("soak")]
public sealed class WorkerFaultTests(ITestOutputHelper output)
{
    private const int Quiet = 50;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_long = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(50);
    private static readonly string s_only = Environment.GetEnvironmentVariable("CHANNELSDK_SOAK_ONLY") ?? "";
    private static readonly bool s_isLong = Environment.GetEnvironmentVariable("CHANNELSDK_LONG") == "1";

    private static readonly ProcessFigures s_filled = new(Objects: 12 << 20, Private: 48 << 20, Descriptors: 4, Threads: 6, Mappings: 0);
    private static readonly ProcessFigures s_uneven = new(Objects: 4 << 20, Private: 16 << 20, Descriptors: 4, Threads: 6, Mappings: 0);

    [Fact]
    public async Task Fifty_instances_do_not_notice_what_guest_monitor_or_worker_of_another_do()
    {
        using var folder = new TestDirectory();
        await using var scene = await WorkerScene.StartAsync(folder[""], Quiet, s_pause);
        Attack[] attacks = [.. Attack.All.Where(static attack => attack.Name.Contains(s_only, StringComparison.Ordinal) && (s_isLong || !attack.IsSlow))];
        List<ProcessFigures> rests = [await ProcessFigures.RestAsync()];
        var wrong = new List<string>();
        for (var round = 0; round < (s_isLong ? 2 : 1); round++)
        {
            foreach (var attack in attacks)
            {
                var begin = Stopwatch.GetTimestamp();
                var (what, p99) = await scene.DuringAsync(attack, s_isLong ? s_long : attack.Ends is null ? s_short : s_moment);
                await scene.Hostile.RecoverAsync();
                output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{attack.Name}: {Stopwatch.GetElapsedTime(begin).TotalSeconds:F1} s, quiet p99 {p99:F1} ms, {Environment.WorkingSet >> 20} MiB; {what ?? "as it should be"}"));
                if (what is not null)
                {
                    wrong.Add($"{attack.Name}: {what}");
                }

                Assert.Equal(0, scene.Quiet.Disconnected);
                Assert.Null(scene.Hostile.Escaped);
            }

            rests.Add(await ProcessFigures.RestAsync());
            output.WriteLine($"{rests[^2]}; after {attacks.Length} faults {rests[^1]}");
        }

        Assert.Empty(wrong);
        // What is filled once, caches and pools of buffers, is filled by the first round.
        Compare(rests[0], rests[1], s_filled);
        Compare(rests[1], rests[^1], s_uneven);
    }

    private static void Compare(in ProcessFigures before, in ProcessFigures after, in ProcessFigures more)
    {
        Assert.InRange(after.Objects, 0, before.Objects + more.Objects);
        Assert.InRange(after.Private, 0, before.Private + more.Private);
        Assert.InRange(after.Descriptors, 0, before.Descriptors + more.Descriptors);
        Assert.InRange(after.Threads, 0, before.Threads + more.Threads);
        Assert.InRange(after.Mappings, 0, before.Mappings + more.Mappings);
    }
}
