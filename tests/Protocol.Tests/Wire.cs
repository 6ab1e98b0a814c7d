using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>What a wire moves bytes and time for: a session, alone or with calls above it.</summary>
internal interface IWireEnd
{
    Session Session { get; }

    long NextDeadline { get; }

    int Receive(ReadOnlySpan<byte> untrustedBytes, long now);

    void Tick(long now);

    /// <summary>Before the session's output goes on the link. False: it does not, as the end of the wire has lost its process.</summary>
    bool TrySend() => true;
}

/// <summary>A link between two sessions.</summary>
internal sealed class Wire(Peer guest, Peer host) : Wire<Peer>(guest, host);

/// <summary>
/// A link between two peers in virtual time. Bytes under way can be cut, held back or tampered with; each direction
/// counts what went through, so a test can cut at any offset.
/// </summary>
internal class Wire<TEnd>(TEnd guest, TEnd host)
    where TEnd : IWireEnd
{
    private readonly Direction _toHost = new(guest, host);
    private readonly Direction _toGuest = new(host, guest);

    public TEnd Guest { get; } = guest;
    public TEnd Host { get; } = host;
    public long Now { get; set; } = 1_000_000;
    public bool IsUp { get; private set; }
    public Direction ToHost => _toHost;
    public Direction ToGuest => _toGuest;

    public void Connect()
    {
        IsUp = true;
        _toHost.Clear();
        _toGuest.Clear();
        Guest.Session.LinkUp(Now);
        Host.Session.LinkUp(Now);
    }

    public void Cut(string why = "cut")
    {
        if (!IsUp)
        {
            return;
        }

        IsUp = false;
        Guest.Session.LinkDown(ChannelError.LinkLost, why, Now);
        Host.Session.LinkDown(ChannelError.LinkLost, why, Now);
    }

    /// <summary>Moves bytes and time until nothing more happens or the time is over. Returns whether a link fault ended it.</summary>
    public bool Run(long microseconds = 0)
    {
        var end = Now + microseconds;
        while (IsUp)
        {
            var moved = Step();
            if (!IsUp)
            {
                return false;
            }

            if (Guest.Session.Fault is not null || Host.Session.Fault is not null)
            {
                // Both sides would drop their transport: one last exchange for the GOAWAY, then the cut.
                while (Step())
                {
                }

                Cut(Guest.Session.Fault?.Text ?? Host.Session.Fault?.Text ?? "");
                return true;
            }

            if (moved)
            {
                continue;
            }

            var next = Math.Min(Guest.NextDeadline, Host.NextDeadline);
            next = Math.Min(next, Math.Min(_toHost.ReadableAt(Now), _toGuest.ReadableAt(Now)));
            if (next > end)
            {
                Now = end;
                return false;
            }

            Now = Math.Max(Now + 1, next);
            Guest.Tick(Now);
            Host.Tick(Now);
        }

        return false;
    }

    /// <summary>One pass over both directions; false when nothing moved.</summary>
    public bool Step()
    {
        var moved = _toHost.Move(Now) | _toGuest.Move(Now);
        if (_toHost.CutReached || _toGuest.CutReached)
        {
            _toHost.CutAt = _toGuest.CutAt = null;
            Cut();
        }

        return moved;
    }

    /// <summary>One direction of the wire.</summary>
    internal sealed class Direction(IWireEnd from, IWireEnd to)
    {
        private long _held = long.MaxValue;
        private byte[] _buffer = new byte[4096];
        private int _start;
        private int _end;

        /// <summary>Bytes that were ever put on this direction, over all links.</summary>
        public long Total { get; private set; }
        /// <summary>The link is cut when <see cref="Total"/> reaches this.</summary>
        public long? CutAt { get; set; }
        public bool CutReached => CutAt is { } at && Total >= at;
        /// <summary>Most bytes moved in one send; a slow or partial transport.</summary>
        public int MaxChunk { get; set; } = int.MaxValue;
        /// <summary>The receiver does not read.</summary>
        public bool Stalled { get; set; }
        public Action<Memory<byte>>? Tamper { get; set; }
        public List<byte>? Record { get; set; }
        public int InFlight => _end - _start;
        /// <summary>What the transport holds; a full one takes no more.</summary>
        public int Capacity { get; set; } = 256 << 10;

        public void Clear() => (_start, _end) = (0, 0);

        /// <summary>Bytes behind the next <paramref name="count"/> are under way until <see cref="Release"/>; those before are there.</summary>
        public void HoldBehind(int count) => _held = count;

        public void Release() => _held = long.MaxValue;

        public long ReadableAt(long now) => InFlight > 0 && !Stalled && to.Session.ReceivePausedUntil > now ? to.Session.ReceivePausedUntil : long.MaxValue;

        public void Inject(ReadOnlySpan<byte> bytes) => Put(bytes);

        public bool Move(long now)
        {
            var moved = false;
            while (InFlight < Capacity)
            {
                var output = from.Session.GetOutput(now);
                if (output.IsEmpty || !from.TrySend())
                {
                    break;
                }

                var count = Math.Min(Math.Min(output.Length, MaxChunk), Capacity - InFlight);
                if (CutAt is { } at)
                {
                    count = (int)Math.Min(count, at - Total);
                }

                Put(output.Span[..count]);
                from.Session.AdvanceOutput(count);
                Total += count;
                moved = true;
                if (CutReached)
                {
                    // Half of what is under way still arrives, the rest is lost with the link.
                    Deliver(now, InFlight);
                    return true;
                }

                if (MaxChunk != int.MaxValue)
                {
                    break;
                }
            }

            return moved | Deliver(now, InFlight);
        }

        private bool Deliver(long now, int count)
        {
            count = (int)Math.Min(count, _held);
            if (count == 0 || Stalled || to.Session.ReceivePausedUntil > now)
            {
                return false;
            }

            Tamper?.Invoke(_buffer.AsMemory(_start, count));
            var consumed = to.Receive(_buffer.AsSpan(_start, count), now);
            _start += consumed;
            _held -= _held == long.MaxValue ? 0 : consumed;
            return consumed > 0;
        }

        private void Put(ReadOnlySpan<byte> bytes)
        {
            if (_end + bytes.Length > _buffer.Length)
            {
                var next = new byte[Math.Max(_buffer.Length * 2, InFlight + bytes.Length)];
                _buffer.AsSpan(_start, InFlight).CopyTo(next);
                (_buffer, _end, _start) = (next, InFlight, 0);
            }

            bytes.CopyTo(_buffer.AsSpan(_end));
            _end += bytes.Length;
            Record?.AddRange(bytes);
        }
    }
}
