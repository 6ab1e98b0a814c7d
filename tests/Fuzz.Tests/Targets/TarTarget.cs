using System.Formats.Tar;
using System.IO.Compression;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.GuestAgent.Overlay;
using ChannelSdk.Protocol.Errors;
using AgentTarReader = ChannelSdk.GuestAgent.Overlay.TarReader;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>
/// A hostile package, past the checksums of its headers and of the gzip file. It is refused for a reason that
/// <see cref="TarDifferences"/> has, or read as System.Formats.Tar reads it: nothing can be in it that one reader sees and the other
/// does not. What came before a refusal is compared as well.
/// </summary>
internal sealed class TarTarget : IFuzzTarget
{
    private const int Most = 1 << 20;

    public string Name => "tar";

    public int MaxLength => 8192;

    public IReadOnlyList<byte[]> Seeds => TarSamples.All;

    public IReadOnlyList<byte[]> Tokens => TarSamples.Tokens;

    public void Run(ReadOnlySpan<byte> input)
    {
        var tar = TarSamples.Complete(input);
        var ours = new List<TarView>();
        var theirs = new List<TarView>();
        string? refusal = null;
        try
        {
            ReadByAgent(tar, ours);
        }
        catch (ChannelException e) when (e.Code is ChannelError.InvalidArgument or ChannelError.ResourceExhausted)
        {
            refusal = e.Message;
            BrokenPromiseException.ThrowUnless(!refusal.Any(char.IsControl), "a refusal has control characters in it");
            BrokenPromiseException.ThrowUnless(TarDifferences.Explains(refusal), $"the refusal is not on the list: {refusal}");
        }

        Exception? theirRefusal = null;
        try
        {
            // Behind what the agent refuses the library allocates as much as a header says.
            ReadByLibrary(tar, theirs, refusal is null ? int.MaxValue : ours.Count);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or IOException or ArgumentException or OverflowException or NotSupportedException)
        {
            theirRefusal = e;
        }

        // Before the end of either, both have seen the same.
        foreach (var (our, their) in ours.Zip(theirs))
        {
            BrokenPromiseException.ThrowUnless(our == their, $"the readers differ: {our} | {their}");
        }

        if (theirRefusal is not null)
        {
            BrokenPromiseException.ThrowUnless(TarDifferences.IsOnlyTheirs(theirRefusal), $"it was taken, and the library refuses it: {theirRefusal.Message} ({ours.ElementAtOrDefault(theirs.Count)})");
            return;
        }

        BrokenPromiseException.ThrowUnless(ours.Count == theirs.Count,
            $"there are {ours.Count} entries for the agent and {theirs.Count} for the library; next: {ours.ElementAtOrDefault(theirs.Count)} | {theirs.ElementAtOrDefault(ours.Count)}");
    }

    private static void ReadByAgent(byte[] tar, List<TarView> entries)
    {
        using var file = new MemoryStream();
        using (var packed = new GZipStream(file, CompressionLevel.NoCompression, leaveOpen: true))
        {
            packed.Write(tar);
        }

        file.Position = 0;
        var gzip = new GzipReader(file);
        gzip.Open();
        var reader = new AgentTarReader(gzip, Most, CancellationToken.None);
        var content = new byte[tar.Length];
        while (reader.Next() is { } entry)
        {
            var length = 0;
            for (int count; entry.Kind == TarKind.File && (count = reader.Read(content.AsSpan(length))) > 0;)
            {
                length += count;
            }

            BrokenPromiseException.ThrowUnless(length == entry.Size, $"a file of {entry.Size} bytes had {length}");
            entries.Add(TarView.Of(entry, content.AsSpan(0, length)));
        }
    }

    private static void ReadByLibrary(byte[] tar, List<TarView> entries, int most)
    {
        using var reader = new System.Formats.Tar.TarReader(new MemoryStream(tar));
        while (entries.Count < most && reader.GetNextEntry() is { } entry)
        {
            if (entry.EntryType != TarEntryType.GlobalExtendedAttributes)
            {
                entries.Add(TarView.Of(entry));
            }
        }
    }
}
