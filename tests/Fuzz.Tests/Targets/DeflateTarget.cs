using System.IO.Compression;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.GuestAgent.Overlay;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>Compressed bytes that are not what they should be. They are refused, or give what System.IO.Compression makes of them.</summary>
internal sealed class DeflateTarget : IFuzzTarget
{
    private const int Most = 1 << 16;
    private readonly byte[] _output = new byte[Most];

    public string Name => "deflate";

    public int MaxLength => 2048;

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        Pack("a", CompressionLevel.NoCompression), Pack("abcabcabcabcabcabcabcd", CompressionLevel.Fastest),
        Pack(string.Concat(Enumerable.Range(0, 300).Select(static n => $"{n * n} ")), CompressionLevel.SmallestSize),
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        // The deflated part stands alone: a wrong sum at its end would refuse all that is of interest.
        var bytes = input.ToArray();
        var length = 0;
        try
        {
            var inflater = new Inflater(new BitReader(new MemoryStream(bytes)));
            for (int count; (count = inflater.Read(_output.AsSpan(length))) > 0 && length < Most;)
            {
                length += count;
            }
        }
        catch (ChannelException e) when (e.Code == ChannelError.InvalidArgument)
        {
            return;
        }

        if (length == Most)
        {
            return;
        }

        var theirs = new byte[Most];
        using var library = new DeflateStream(new MemoryStream(bytes), CompressionMode.Decompress);
        var theirLength = 0;
        try
        {
            theirLength = library.ReadAtLeast(theirs, Most, throwOnEndOfStream: false);
        }
        catch (InvalidDataException)
        {
            throw new BrokenPromiseException("what is no deflated data was taken");
        }

        BrokenPromiseException.ThrowUnless(_output.AsSpan(0, length).SequenceEqual(theirs.AsSpan(0, theirLength)), $"{length} bytes were made of what {theirLength} bytes are in");
    }

    private static byte[] Pack(string text, CompressionLevel level)
    {
        using var result = new MemoryStream();
        using (var deflate = new DeflateStream(result, level, leaveOpen: true))
        {
            deflate.Write(System.Text.Encoding.ASCII.GetBytes(text));
        }

        return result.ToArray();
    }
}
