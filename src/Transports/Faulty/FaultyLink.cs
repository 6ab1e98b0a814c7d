using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Faulty;

/// <summary>A link that damages what goes through it. A cut happens with the last byte before it, not with the next call.</summary>
internal sealed class FaultyLink : ITransportLink
{
    private readonly ITransportLink _inner;
    private readonly LinkFaults _faults;
    private readonly TimeProvider _time;
    private readonly ReplayHistory _history;
    private readonly CancellationTokenSource _aborted = new();
    private readonly Direction _receive;
    private readonly Direction _send;
    private readonly byte[] _stale;
    private readonly byte _corruption;
    private int _staleGiven;
    private volatile bool _cut;
    private int _closed;

    internal FaultyLink(
        ITransportLink inner, LinkFaults faults, int seed, TimeProvider time, ReplayHistory history)
    {
        _inner = inner;
        _faults = faults;
        _time = time;
        _history = history;
        _stale = history.Last(faults.ReplayBytes);
        var random = new Random(seed);
        _corruption = (byte)random.Next(1, 256);
        _receive = new Direction(
            new Random(random.Next()), faults.CutAfterReceived, faults.MaxReceive, faults.StallReceiveAt);
        _send = new Direction(new Random(random.Next()), faults.CutAfterSent, faults.MaxSend, faults.StallSendAt);
        if (_receive.AtCut || _send.AtCut)
        {
            Cut();
        }
    }

    public PeerIdentity Peer => _inner.Peer;

    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        if (_staleGiven < _stale.Length && !_cut && Volatile.Read(ref _closed) == 0)
        {
            var length = Math.Min(buffer.Length, _stale.Length - _staleGiven);
            _stale.AsSpan(_staleGiven, length).CopyTo(buffer.Span);
            _staleGiven += length;
            return length;
        }

        if (_receive.TryBeginStall())
        {
            await Stall().ConfigureAwait(false);
        }

        int received;
        try
        {
            received = await _inner.ReceiveAsync(buffer[.._receive.Limit(buffer.Length)]).ConfigureAwait(false);
        }
        catch (ChannelException error) when (IsCut(error))
        {
            return 0;
        }

        if (received > 0)
        {
            if (_receive.IndexOf(_faults.CorruptReceivedAt, received) is { } index)
            {
                buffer.Span[index] ^= _corruption;
            }

            _history.Add(buffer.Span[..received]);
            CutIf(_receive.Passed(received));
        }

        return received;
    }

    public async ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer)
    {
        if (_send.TryBeginStall())
        {
            await Stall().ConfigureAwait(false);
        }

        var part = buffer[.._send.Limit(buffer.Length)];
        if (_send.IndexOf(_faults.CorruptSentAt, part.Length) is { } index)
        {
            var damaged = part.ToArray();
            damaged[index] ^= _corruption;
            part = damaged;
        }

        int sent;
        try
        {
            sent = await _inner.SendAsync(part).ConfigureAwait(false);
        }
        catch (ChannelException error) when (IsCut(error))
        {
            throw new ChannelException(ChannelError.LinkLost, ErrorClass.Fatal, $"the link to {Peer} was cut", error);
        }

        CutIf(_send.Passed(sent));
        return sent;
    }

    public void Abort()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            _aborted.Cancel();
            _inner.Abort();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Abort();
        await _inner.DisposeAsync().ConfigureAwait(false);
    }

    private bool IsCut(ChannelException error) =>
        _cut && Volatile.Read(ref _closed) == 0 && error.Code == ChannelError.LinkLost;

    private void CutIf(bool reached)
    {
        if (reached)
        {
            Cut();
        }
    }

    private void Cut()
    {
        _cut = true;
        _inner.Abort();
    }

    private async ValueTask Stall()
    {
        try
        {
            await Task.Delay(_faults.StallTime, _time, _aborted.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Aborted: the call on the inner link says so.
        }
    }

    private sealed class Direction(Random random, long? cutAfter, int? maxTransfer, long? stallAt)
    {
        private long _passed;
        private bool _stalled;

        internal bool AtCut => _passed >= cutAfter;

        internal bool TryBeginStall()
        {
            var stall = !_stalled && _passed >= stallAt;
            _stalled |= stall;
            return stall;
        }

        internal int Limit(int length)
        {
            var limit = maxTransfer is { } max ? Math.Min(length, random.Next(1, max + 1)) : length;
            // At the cut itself the inner link is aborted and says so; it must not see an empty buffer.
            return cutAfter is { } cut && cut > _passed ? (int)Math.Min(limit, cut - _passed) : limit;
        }

        internal int? IndexOf(long? offset, int length) =>
            offset is { } at && at >= _passed && at < _passed + length ? (int)(at - _passed) : null;

        internal bool Passed(int bytes)
        {
            _passed += bytes;
            return AtCut;
        }
    }
}
