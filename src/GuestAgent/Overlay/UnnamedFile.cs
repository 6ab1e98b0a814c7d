using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>
/// An open file as a stream without a buffer, for what is written and read in large pieces. The framework's FileStream would bring
/// 60 KB of buffers and strategies into the agent's binary.
/// </summary>
/// <param name="file">The file; closed with this.</param>
internal sealed class UnnamedFile(SafeFileHandle file) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => true;

    public override long Length => RandomAccess.GetLength(file);

    public override long Position { get; set; }

    public override int Read(Span<byte> buffer)
    {
        var count = RandomAccess.Read(file, buffer, Position);
        Position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        RandomAccess.Write(file, buffer, Position);
        Position += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => Position,
        _ => Length,
    };

    public override void SetLength(long value) => RandomAccess.SetLength(file, value);

    public override void Flush()
    {
        // Nothing is held back.
    }

    protected override void Dispose(bool disposing)
    {
        file.Dispose();
        base.Dispose(disposing);
    }
}
