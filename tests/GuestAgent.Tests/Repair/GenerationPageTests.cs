using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Tests.Repair;

/// <summary>The page by which programs see the generation.</summary>
public sealed class GenerationPageTests : IDisposable
{
    private readonly TestDirectory _folder = new();

    private GenerationPage Page => new(_folder["page/generation"]);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_page_is_everyones_to_read_and_stays_the_same_file()
    {
        Page.Ensure();
        var file = FileIdentity.Of(Page.Path);
        Page.Publish(Of(1));
        Page.Ensure();
        Page.Publish(Of(2));

        Assert.Equal(file, FileIdentity.Of(Page.Path));
        Assert.Equal(4096, new FileInfo(Page.Path).Length);
        Assert.Equal("rw-r--r--", Mode(File.GetUnixFileMode(Page.Path)));
        Assert.Equal("rwxr-xr-x", Mode(File.GetUnixFileMode(Path.GetDirectoryName(Page.Path)!)));
    }

    [Fact]
    public void Before_the_first_generation_it_has_zeros_and_each_generation_a_number_of_its_own()
    {
        Page.Ensure();
        using var watch = new GenerationWatch(Page.Path);
        Assert.Equal(0ul, Both(watch).Counter);
        Assert.Equal(new byte[16], Both(watch).Generation);
        var seen = new HashSet<ulong> { 0 };
        for (var i = 1; i < 100; i++)
        {
            Page.Publish(Of(i));
            var (counter, generation) = Both(watch);
            Assert.Equal(Of(i), generation);
            Assert.True(seen.Add(counter));
            // A repeated call is no change.
            Page.Publish(Of(i));
            Assert.Equal(counter, Both(watch).Counter);
        }
    }

    [Fact]
    public void A_change_in_which_the_agent_was_killed_is_ended_by_its_successor()
    {
        Page.Publish(Of(1));
        using (var file = File.OpenWrite(Page.Path))
        {
            file.Position = GenerationLayout.Sequence;
            file.WriteByte(7);
        }

        using var watch = new GenerationWatch(Page.Path);
        Assert.Null(watch.Wait(null, TimeSpan.Zero));
        Page.Ensure();
        Assert.Equal(Of(1), watch.Wait(null, TimeSpan.Zero)!.Generation);
    }

    [Fact]
    public void No_program_that_maps_it_sees_an_earlier_generation_or_parts_of_two()
    {
        const int changes = 10_000;
        Page.Ensure();
        var done = 0;
        var looks = 0;
        using var file = MemoryMappedFile.CreateFromFile(Page.Path, FileMode.Open);
        using var map = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        var writer = new Thread(() =>
        {
            for (var i = 1; i <= changes; i++)
            {
                Page.Publish(Of(i));
                Volatile.Write(ref done, i);
            }
        });
        writer.Start();
        var bytes = new byte[128];
        while (true)
        {
            var least = Volatile.Read(ref done);
            var before = map.ReadUInt32(GenerationLayout.Sequence);
            Interlocked.MemoryBarrier();
            _ = map.ReadArray(0, bytes, 0, bytes.Length);
            Interlocked.MemoryBarrier();
            if (before % 2 != 0 || before != map.ReadUInt32(GenerationLayout.Sequence))
            {
                continue;
            }

            looks++;
            var generation = bytes.AsSpan(GenerationLayout.Generation, 16);
            var number = BinaryPrimitives.ReadInt32LittleEndian(generation);
            Assert.True(number >= least, $"{number} is shown after {least}");
            Assert.Equal(number == 0 ? 0 : GenerationPage.CounterOf(generation), BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(GenerationLayout.GenerationCounter)));
            if (number == changes)
            {
                break;
            }
        }

        writer.Join();
        Assert.True(looks > 100, $"{looks} looks");
    }

    [Fact]
    public async Task A_waiter_wakes_at_the_change_and_not_before()
    {
        Page.Publish(Of(1));
        using var watch = new GenerationWatch(Page.Path);
        Assert.Null(watch.Wait(Of(1), TimeSpan.FromMilliseconds(50)));
        var waiting = Task.Run(() => watch.Wait(Of(1), TimeSpan.FromSeconds(30)));

        Page.Publish(Of(2));

        Assert.Equal(Of(2), (await waiting)!.Generation);
    }

    [Fact]
    public void The_hash_is_the_standards()
    {
        for (var length = 0; length <= Sha256.MaxBytes; length++)
        {
            var bytes = Enumerable.Range(0, length).Select(static i => (byte)(i * 37)).ToArray();
            Assert.Equal(SHA256.HashData(bytes), Sha256.Of(bytes));
        }
    }

    private static (ulong Counter, byte[] Generation) Both(GenerationWatch watch) =>
        watch.Wait(null, TimeSpan.Zero) is { } reading ? (reading.Counter, reading.Generation) : default;

    private static byte[] Of(int number)
    {
        var generation = new byte[16];
        BinaryPrimitives.WriteInt32LittleEndian(generation, number);
        return generation;
    }

    private static string Mode(UnixFileMode mode) => string.Concat("rwxrwxrwx".Select((c, i) => ((int)mode & (256 >> i)) != 0 ? c : '-'));
}
