namespace ChannelSdk.Metadata.Http;

/// <summary>
/// Takes the zone out of a Host header such as <c>[fe80::a9fe:a9fe%25eth0]</c>, which clients of a link-local address
/// send, though RFC 6874 says that a zone has no meaning beyond the node, and which Kestrel answers with 400
/// (dotnet/aspnetcore issue 36739). Only header lines are looked at: those from the beginning, and after each answer.
/// </summary>
internal sealed class HostZoneFilter(Stream inner) : Stream
{
    private bool _isHeader = true;
    private int _column;
    private bool _isHost = true;
    private bool _isZone;
    private bool _isBlank = true;

    private static ReadOnlySpan<byte> Host => "host:"u8;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var read = await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            var kept = Filter(buffer.Span[..read]);
            if (kept > 0 || read == 0)
            {
                return kept;
            }
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!buffer.IsEmpty)
        {
            (_isHeader, _column, _isHost, _isZone, _isBlank) = (true, 0, true, false, true);
        }

        return inner.WriteAsync(buffer, cancellationToken);
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Filter(Span<byte> bytes)
    {
        var kept = 0;
        foreach (var one in bytes)
        {
            if (!_isHeader || Keeps(one))
            {
                bytes[kept++] = one;
            }
        }

        return kept;
    }

    private bool Keeps(byte one)
    {
        if (one == '\n')
        {
            _isHeader = !_isBlank;
            (_column, _isHost, _isZone, _isBlank) = (0, true, false, true);
            return true;
        }

        if (_column < Host.Length)
        {
            _isHost &= (byte)(one | 0x20) == Host[_column];
        }

        _column++;
        _isBlank &= one == '\r';
        if (!_isHost || _column <= Host.Length)
        {
            return true;
        }

        _isZone = one switch { (byte)'%' => true, (byte)']' or (byte)'\r' => false, _ => _isZone };
        return !_isZone;
    }
}
