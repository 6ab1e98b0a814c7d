using ChannelSdk.Protocol.Seam;

namespace ChannelSdk.Protocol.Tests;

/// <summary>A ring whose words are fields of this process, which a test may set as a hostile process would.</summary>
internal sealed class ArrayRing(int bytes) : RingMemory(new byte[bytes])
{
    private bool _readerSleeps;
    private bool _writerWaits;

    public override ulong Head { get; set; }

    public override ulong Tail { get; set; }

    public Span<byte> Bytes => Records.Span;

    public override void SetReaderSleeps(bool isSo) => _readerSleeps = isSo;

    public override bool TryWakeReader() => TryClear(ref _readerSleeps);

    public override void SetWriterWaits() => _writerWaits = true;

    public override bool TryWakeWriter() => TryClear(ref _writerWaits);

    private static bool TryClear(ref bool flag)
    {
        var wasSet = flag;
        flag = false;
        return wasSet;
    }
}
