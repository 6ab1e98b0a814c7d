using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Host;
using Xunit.Abstractions;

namespace ChannelSdk.Soak.Tests;

/// <summary>
/// One hostile instance tries each attack in turn, beside quiet ones of the same process. The ordinary suite gives each
/// attack a short turn; `./test --long` ten minutes to all, and then the quiet ones' p99 is judged as well. With
/// CHANNELSDK_SOAK_ONLY it runs the attacks whose name has this text.
/// </summary>
[Collection("soak")]
public sealed class SoakTests(ITestOutputHelper output)
{
    private const int Quiet = 20;
    private const double MostOfP99 = 1.5;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_met = TimeSpan.FromMinutes(2);
    private static readonly string s_only = Environment.GetEnvironmentVariable("CHANNELSDK_SOAK_ONLY") ?? "";
    private static readonly bool s_isLong = Environment.GetEnvironmentVariable("CHANNELSDK_LONG") == "1";

    /// <summary>What is filled once and kept, caches and pools of buffers, may take.</summary>
    private const long MoreBytes = 96 << 20;
    private const int MoreFiles = 16;

    /// <summary>How far one round may differ from the one before, when all is filled.</summary>
    private const long UnevenBytes = 16 << 20;

    [Fact]
    public async Task Quiet_instances_do_not_notice_a_hostile_one()
    {
        using var folder = new TestDirectory();
        var path = folder[""];
        await using var host = new ChannelHost();
        await using var guests = new QuietGuests(path, Quiet);
        await using var quiet = new QuietInstances(host, path, Quiet, s_pause);
        await quiet.StartAsync();
        await using var targets = new HostileTargets(host, path);

        Attack[] attacks = [.. Attacks.All.Where(static attack => attack.Name.Contains(s_only, StringComparison.Ordinal))];
        var rounds = s_isLong ? 5 : 1;
        var each = s_isLong ? TimeSpan.FromMinutes(10) / (rounds * Attacks.All.Count * 2) : TimeSpan.FromSeconds(0.5);
        List<double> idle = [];
        var meanwhile = attacks.ToDictionary(attack => attack.Name, _ => new List<double>());
        List<(long Memory, int Files)> rests = [await RestAsync()];
        for (var round = 0; round < rounds; round++)
        {
            foreach (var attack in attacks)
            {
                await Task.Delay(each);
                var before = quiet.TakeP99();
                var during = await DuringAsync(attack, path, each, quiet);
                idle.Add(before);
                meanwhile[attack.Name].Add(during);
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{attack.Name}: p99 {before:F2} ms before, {during:F2} ms meanwhile; {Environment.WorkingSet >> 20} MiB, {OpenFiles()} files, {quiet.Disconnected} disconnected"));
                Assert.Equal(0, quiet.Disconnected);
            }

            rests.Add(await RestAsync());
            output.WriteLine($"{GC.GetTotalMemory(forceFullCollection: true) >> 20} MiB of objects; {rests[0].Memory >> 20} MiB and {rests[0].Files} files before, {rests[^1].Memory >> 20} MiB and {rests[^1].Files} files after round {round}");
        }

        Assert.InRange(rests[^1].Memory, 0, rests[0].Memory + MoreBytes);
        Assert.InRange(rests[^1].Files, 0, rests[0].Files + MoreFiles);
        Assert.True(rounds == 1 || rests[^1].Memory <= rests[^2].Memory + UnevenBytes, "each round takes more memory");
        foreach (var (name, all) in meanwhile)
        {
            var ratio = Median(all) / Median(idle);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {ratio:F2} of an idle host's p99"));
            Assert.True(!s_isLong || ratio <= MostOfP99, $"the quiet instances' p99 is {ratio:F2} times an idle host's beside {name}");
        }
    }

    private static double Median(List<double> all) => all.Order().ElementAt(all.Count / 2);

    private static async Task<double> DuringAsync(Attack attack, string path, TimeSpan time, QuietInstances quiet)
    {
        // It gets the processor only when it is idle: the measure is the host's work for it.
        var program = Path.ChangeExtension(typeof(SoakTests).Assembly.Location, null);
        using var attacker = Process.Start(new ProcessStartInfo("chrt", ["--idle", "0", program, "attack", attack.Name, path])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            Assert.NotNull(await attacker.StandardOutput.ReadLineAsync().WaitAsync(s_met));
            await Task.Delay(time / 10);
            quiet.TakeP99();
            await Task.Delay(time);
            Assert.False(attacker.HasExited, $"{attack.Name} has ended by itself: {(attacker.HasExited ? await attacker.StandardError.ReadToEndAsync() : "")}");
            return quiet.TakeP99();
        }
        finally
        {
            attacker.Kill();
            await attacker.WaitForExitAsync();
        }
    }

    /// <summary>What the process has when what the attacks left has been given back: the least of some seconds.</summary>
    private static async Task<(long Memory, int Files)> RestAsync()
    {
        var (memory, files) = (long.MaxValue, int.MaxValue);
        for (var i = 0; i < 10; i++)
        {
            await Task.Delay(300);
            // What the collector keeps free for later is no leak.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            (memory, files) = (Math.Min(memory, Environment.WorkingSet), Math.Min(files, OpenFiles()));
        }

        return (memory, files);
    }

    private static int OpenFiles() => Directory.GetFiles("/proc/self/fd").Length;
}
