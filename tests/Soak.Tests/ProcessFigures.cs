using System.Globalization;

namespace ChannelSdk.Soak.Tests;

/// <summary>What this process has.</summary>
/// <param name="Objects">Bytes of the collected heap.</param>
/// <param name="Private">Bytes of memory that is this process's alone, and not the same as in a file.</param>
/// <param name="Descriptors">Open descriptors.</param>
/// <param name="Threads">Threads.</param>
/// <param name="Mappings">Mappings of memory that it shares with workers.</param>
internal readonly record struct ProcessFigures(long Objects, long Private, int Descriptors, int Threads, int Mappings)
{
    /// <summary>When what attacks have left was given back: the least of some moments of a second and a half.</summary>
    internal static async Task<ProcessFigures> RestAsync()
    {
        var least = new ProcessFigures(long.MaxValue, long.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue);
        for (var i = 0; i < 5; i++)
        {
            await Task.Delay(300);
            // What the collector keeps free for later is no leak.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
            least = new ProcessFigures(
                Math.Min(least.Objects, GC.GetTotalMemory(forceFullCollection: false)),
                Math.Min(least.Private, PrivateBytes()),
                Math.Min(least.Descriptors, CountDescriptors()),
                Math.Min(least.Threads, Directory.GetDirectories("/proc/self/task").Length),
                Math.Min(least.Mappings, File.ReadLines("/proc/self/maps").Count(static line => line.Contains("memfd:channel-worker", StringComparison.Ordinal))));
        }

        return least;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Objects / 1048576.0:F1} MiB of objects, {Private / 1048576.0:F1} MiB private, {Descriptors} descriptors, {Threads} threads, {Mappings} memories of workers");

    // The runtime keeps the files of the assemblies open that it has loaded, one after the other.
    private static int CountDescriptors() => Directory.GetFiles("/proc/self/fd").Count(static file => new FileInfo(file).LinkTarget?.EndsWith(".dll", StringComparison.Ordinal) == false);

    private static long PrivateBytes()
    {
        const string name = "Private_Dirty:";
        var line = File.ReadLines("/proc/self/smaps_rollup").First(static line => line.StartsWith(name, StringComparison.Ordinal));
        return 1024 * long.Parse(line[name.Length..^"kB".Length], CultureInfo.InvariantCulture);
    }
}
