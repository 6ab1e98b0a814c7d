using System.Globalization;
using ChannelSdk.Transports.Faulty;

namespace ChannelSdk.Bench.Data;

/// <summary>
/// Export and import of a disk, and streams between the halves of a definition, beside copies of a file, in one appliance for each transport. The
/// disk is read by cat and written by dd, the file is one of the same bytes on an ext4 of another disk; the page cache of the appliance is
/// dropped before each. Turns are interleaved, the last has links that are cut five times.
/// </summary>
internal static class DataBench
{
    private const int Cuts = 5;

    public static async Task<int> RunAsync(int rounds, int mebibytes, string only)
    {
        var bytes = (long)mebibytes << 20;
        // Beside the repository: what it writes may not fit into memory.
        var folder = Directory.CreateTempSubdirectory("channelsdk-bench-").FullName;
        try
        {
            var source = await DataDisks.MakeAsync(folder, bytes);
            Console.WriteLine($"{mebibytes} MiB, medians of {rounds} turns in one appliance for each transport; x is the median of the turns' ratios to the copy");
            Console.WriteLine();
            Console.WriteLine("| | channelctl cp MB/s | MB/s | x | with five cuts MB/s | x |");
            Console.WriteLine("|---|---|---|---|---|---|");
            foreach (var isVsock in (bool[])[false, true])
            {
                await using var appliance = await KeptAppliance.BootAsync(folder, isVsock, source.Disk, source.FileSystem);
                await appliance.ShellAsync("mkdir -p /mnt; mount -t ext4 /dev/vdb /mnt");
                var work = new DataWork(appliance, source, folder);
                foreach (var row in work.Rows.Where(row => row.Name.Contains(only, StringComparison.Ordinal)))
                {
                    await MeasureAsync($"{(isVsock ? "vsock" : "virtio-serial")}, {row.Name}", row, appliance, bytes, rounds);
                }
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task MeasureAsync(string name, DataRow row, KeptAppliance appliance, long bytes, int rounds)
    {
        var (copies, moves, ratios) = (new Samples(), new Samples(), new Samples());
        for (var round = 1; round <= rounds; round++)
        {
            // Who begins changes, so that neither is always the one after the other.
            var isCopyFirst = round % 2 == 1;
            var first = await RateAsync(appliance, bytes, isCopyFirst ? row.Copy : Move);
            var second = await RateAsync(appliance, bytes, isCopyFirst ? Move : row.Copy);
            var (copy, move) = isCopyFirst ? (first, second) : (second, first);
            copies.Add(copy);
            moves.Add(move);
            ratios.Add(move / copy);
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"bench: {name}, turn {round} of {rounds}: copy {copy:F1} MB/s, move {move:F1} MB/s"));
        }

        var cut = new LinkFaults { CutAfterReceived = row.IsToHost ? bytes / (Cuts + 1) : null, CutAfterSent = row.IsToHost ? null : bytes / (Cuts + 1) };
        var resumed = await RateAsync(appliance, bytes, () => row.Move(new FaultPlan { Links = [.. Enumerable.Repeat(cut, Cuts)] }));
        if (appliance.Links != Cuts + 1)
        {
            throw new InvalidOperationException($"{appliance.Links - 1} links were cut, not {Cuts}");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {name} | {copies.Median:F1} | {moves.Median:F1} | {ratios.Median:F2} | {resumed:F1} | {resumed / copies.Median:F2} |"));

        Task<TimeSpan> Move() => row.Move(FaultPlan.None);
    }

    private static async Task<double> RateAsync(KeptAppliance appliance, long bytes, Func<Task<TimeSpan>> transfer)
    {
        await appliance.ShellAsync("rm -f /mnt/in; sync; echo 3 > /proc/sys/vm/drop_caches");
        return bytes / (await transfer()).TotalSeconds / 1e6;
    }
}
