using System.Buffers.Binary;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Generation;

/// <summary>
/// The page by which programs of the guest see that it has become another run of itself: they map it, compare before each use of what must
/// not be used twice, and wait for a change by inotify(7). The file stays the same as long as the guest runs, so mappings hold.
/// </summary>
/// <param name="path">Where it is.</param>
internal sealed class GenerationPage(string path)
{
    /// <summary>Where programs look for it.</summary>
    public const string DefaultPath = "/run/channelsdk/generation";

    private const UnixFileMode AllRead = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode AllPass = AllRead | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Where it is.</summary>
    public string Path => path;

    /// <summary>Makes it, if it is not there, and ends a change that an agent was killed in.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public void Ensure()
    {
        if (!File.Exists(path))
        {
            Make();
        }

        using var page = Open();
        var sequence = Sequence(page);
        if (sequence % 2 != 0)
        {
            SetSequence(page, sequence + 1);
        }
    }

    /// <summary>The generation that it shows; empty before the first, or where it cannot be read.</summary>
    public byte[] Read()
    {
        try
        {
            using var page = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return GenerationReading.Of(page) is { Counter: not 0 } reading ? reading.Generation : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Shows a generation. A repeated call for the same one changes nothing.</summary>
    /// <param name="generation">16 bytes.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public void Publish(ReadOnlySpan<byte> generation)
    {
        Ensure();
        using var page = Open();
        if (GenerationReading.Of(page) is { } present && generation.SequenceEqual(present.Generation))
        {
            return;
        }

        var sequence = Sequence(page);
        Span<byte> fields = stackalloc byte[GenerationLayout.UsedBytes];
        var counter = CounterOf(generation);
        Constant(fields);
        BinaryPrimitives.WriteUInt64LittleEndian(fields[GenerationLayout.DisruptionMarker..], counter);
        BinaryPrimitives.WriteUInt64LittleEndian(fields[GenerationLayout.GenerationCounter..], counter);
        generation.CopyTo(fields[GenerationLayout.Generation..]);
        // In calls of their own, which the lock of the file puts in an order that mappings on all processors see.
        SetSequence(page, sequence + 1);
        Write(page, fields[GenerationLayout.DisruptionMarker..], GenerationLayout.DisruptionMarker);
        SetSequence(page, sequence + 2);
    }

    /// <summary>The number of 64 bits that stands for a generation. A host may give generations that begin alike, so it is a hash.</summary>
    internal static ulong CounterOf(ReadOnlySpan<byte> generation) =>
        BinaryPrimitives.ReadUInt64LittleEndian(Sha256.Of(generation)) is var counter and not 0 ? counter : 1;

    private void Make()
    {
        var folder = System.IO.Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, AllPass | UnixFileMode.UserWrite);
        Span<byte> page = stackalloc byte[GenerationLayout.PageBytes];
        page.Clear();
        Constant(page);
        ReplacedFile.Write(path, page, AllRead | UnixFileMode.UserWrite);
    }

    private static void Constant(Span<byte> fields)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(fields[GenerationLayout.Magic..], GenerationLayout.MagicValue);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[GenerationLayout.Size..], GenerationLayout.PageBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(fields[GenerationLayout.Version..], 1);
        fields[GenerationLayout.CounterId] = GenerationLayout.InvalidCounter;
        BinaryPrimitives.WriteUInt64LittleEndian(fields[GenerationLayout.Flags..], GenerationLayout.FlagValues);
    }

    private SafeFileHandle Open() => File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

    private static unsafe uint Sequence(SafeFileHandle page)
    {
        uint value = 0;
        return DescriptorCalls.PRead(page, (byte*)&value, sizeof(uint), GenerationLayout.Sequence) == sizeof(uint)
            ? value : throw new IOException($"the page is cut short: {Errno.Describe(Errno.Last)}");
    }

    private static void SetSequence(SafeFileHandle page, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Write(page, bytes, GenerationLayout.Sequence);
    }

    private static unsafe void Write(SafeFileHandle page, ReadOnlySpan<byte> bytes, int at)
    {
        fixed (byte* start = bytes)
        {
            if (DescriptorCalls.PWrite(page, start, (nuint)bytes.Length, at) != bytes.Length)
            {
                throw new IOException($"the page cannot be written: {Errno.Describe(Errno.Last)}");
            }
        }
    }
}
