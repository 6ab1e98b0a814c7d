namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// The rest of a frame that was begun on the link when its session ended. It is sent before the goodbye: a peer that finds a
/// goodbye within a frame reads neither.
/// </summary>
internal sealed class FrameRest(SegmentPool pool)
{
    private Segment? _segment;
    private int _start;
    private int _length;
    private bool _isLent;

    public bool IsEmpty => _length == 0;

    /// <summary>
    /// Takes a segment that left the log, with a frame of which <paramref name="length"/> bytes from <paramref name="start"/> on were
    /// not sent; 0: no frame was begun, and the segment goes back to the pool.
    /// </summary>
    public void KeepOrReturn(Segment segment, int start, int length)
    {
        (_segment, _start, _length) = (segment, start, length);
        ReturnIfDone();
    }

    /// <summary>The bytes to send. They stay where they are until <see cref="TryEndLoan"/>.</summary>
    public ReadOnlyMemory<byte> Lend()
    {
        _isLent = true;
        return _segment!.Buffer.Slice(_start, _length);
    }

    /// <summary>Ends the loan. False: there was none.</summary>
    public bool TryEndLoan(int sent)
    {
        if (!_isLent)
        {
            return false;
        }

        _isLent = false;
        _start += sent;
        _length = Math.Max(0, _length - sent);
        ReturnIfDone();
        return true;
    }

    /// <summary>The link has gone.</summary>
    public void Drop()
    {
        _length = 0;
        ReturnIfDone();
    }

    private void ReturnIfDone()
    {
        if (_segment is not null && _length == 0 && !_isLent)
        {
            pool.Return(_segment);
            _segment = null;
        }
    }
}
