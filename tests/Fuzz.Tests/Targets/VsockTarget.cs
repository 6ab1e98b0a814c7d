using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>
/// Packets of a hostile guest against the device's table of connections. It holds no more connections, bytes and refusals than its
/// bounds say, and sends no more than the guest has room for.
/// </summary>
internal sealed class VsockTarget : IFuzzTarget
{
    private const ulong GuestCid = 3;
    private static readonly VsockLimits s_limits = new(4, 4096, 6);

    public string Name => "vsock";

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        // A connection, data, consumed, shut down.
        [0, 1, 0, 0, 0, 16, 0, 0, 8, 0, 5, 0, 100, 0, 16, 0, 0, 1, 0, 100, 2, 0, 200, 0, 4, 0, 0, 0, 16, 0, 3],
        // One that this side asks for.
        [4, 8, 0, 2, 0, 0, 0, 16, 0, 0, 2, 0, 50, 0, 5, 0, 100, 0, 16, 50, 0, 5, 0, 6, 0, 7, 0],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        var guest = new Guest();
        for (var steps = 0; !reader.IsEmpty && steps < 500; steps++)
        {
            guest.Step(ref reader);
        }
    }

    private sealed class User : IVsockUser
    {
        public bool IsReceiving => false;

        public void OnReadable()
        {
        }

        public void OnWritable()
        {
        }
    }

    private sealed class Guest : IVsockAcceptor
    {
        private readonly VsockRouter _router = new(GuestCid, s_limits);
        private readonly List<VsockConnection> _connections = [];
        private readonly Dictionary<VsockConnection, long> _mostRoom = [];
        private int _ownRefusals;
        private uint _asked;

        internal Guest() => _router.Listen(5000, this);

        public IVsockUser? Accept(VsockConnection connection)
        {
            if (connection.GuestPort == 1003)
            {
                return null;
            }

            Add(connection);
            return new User();
        }

        internal void Step(ref InputReader input)
        {
            var operation = input.Byte();
            if (operation % 8 == 0 || operation >= 128)
            {
                Packet(ref input, operation);
            }
            else
            {
                Use(ref input, operation);
            }

            _connections.RemoveAll(static connection => connection.State == VsockState.Closed);
            BrokenPromiseException.ThrowUnless(_router.Count <= s_limits.Connections, $"{_router.Count} connections are held");
        }

        private void Packet(ref InputReader input, byte operation)
        {
            if (!_router.CanReceive)
            {
                Drain();
            }

            var choice = input.Byte();
            var known = choice >= 8 && _connections.Count > 0 ? _connections[choice % _connections.Count] : null;
            var header = new VsockHeader
            {
                SourceCid = GuestCid,
                DestinationCid = VsockHeader.HostCid,
                SourcePort = known?.GuestPort ?? 1000u + choice,
                DestinationPort = known?.HostPort ?? (operation % 16 == 0 ? 5000u : 5001),
                Type = VsockHeader.StreamType,
                Operation = (VsockOperation)input.Byte(),
                Flags = (VsockShutdown)input.Byte(),
                Length = input.UInt16(),
                BufferAllocation = input.UInt16(),
                ForwardCount = input.UInt16(),
            };
            if (operation >= 192)
            {
                Break(ref header, ref input);
            }

            var available = operation % 3 == 0 ? header.Length : input.UInt16();
            _asked = header.BufferAllocation;
            if (_router.Find(header) is { } found)
            {
                _mostRoom[found] = Math.Max(_mostRoom.GetValueOrDefault(found), header.BufferAllocation);
            }

            Took(_router.Receive(header, available), header, available);
        }

        private static void Break(ref VsockHeader header, ref InputReader input)
        {
            var place = input.Byte() % 6;
            var value = input.UInt32();
            switch (place)
            {
                case 0:
                    header.SourceCid = value;
                    break;
                case 1:
                    header.DestinationCid = value;
                    break;
                case 2:
                    header.Type = (ushort)value;
                    break;
                case 3:
                    header.Length = value;
                    break;
                case 4:
                    header.BufferAllocation = value;
                    break;
                default:
                    header.ForwardCount = value;
                    break;
            }
        }

        private static void Took(VsockConnection? receiver, in VsockHeader header, long available)
        {
            if (receiver is null)
            {
                return;
            }

            BrokenPromiseException.ThrowUnless(header.Length <= available, $"{header.Length} bytes are to be read of a packet with {available}");
            BrokenPromiseException.ThrowUnless(receiver.State == VsockState.Established, $"data is for a connection that is {receiver.State}");
            receiver.Incoming.Reserve((int)header.Length, out var first, out var second);
            BrokenPromiseException.ThrowUnless(first.Length + second.Length == header.Length, "there is not the room that was asked for");
            receiver.Incoming.Commit((int)header.Length);
            BrokenPromiseException.ThrowUnless(receiver.Incoming.Count <= s_limits.BufferBytes, $"{receiver.Incoming.Count} bytes wait; credit was for {s_limits.BufferBytes}");
        }

        private void Use(ref InputReader input, byte operation)
        {
            var choice = input.Byte();
            var connection = _connections.Count > 0 ? _connections[choice % _connections.Count] : null;
            switch (operation % 8)
            {
                case 1 when connection is not null:
                    Consume(connection, input.UInt16());
                    break;
                case 2 when connection is { CannotSend: false, State: VsockState.Established }:
                    Send(connection, input.UInt16());
                    break;
                case 3:
                    Drain();
                    break;
                case 4 when ++_ownRefusals > 0 && _router.Connect(2000u + (choice & 3u), new User()) is { } asked:
                    Add(asked);
                    break;
                case 5 when connection is not null:
                    _router.CompleteSend(connection);
                    break;
                case 6 when connection is not null:
                    _ownRefusals++;
                    _router.Leave(connection);
                    _connections.Remove(connection);
                    break;
                case 7 when connection is { State: VsockState.Established }:
                    _router.WaitForCredit(connection);
                    break;
                default:
                    break;
            }
        }

        private void Add(VsockConnection connection)
        {
            _connections.Add(connection);
            _mostRoom[connection] = _asked;
        }

        private void Consume(VsockConnection connection, int most)
        {
            Span<byte> target = new byte[Math.Min(most, s_limits.BufferBytes)];
            var before = connection.Incoming.Count;
            var taken = connection.Incoming.Take(target);
            BrokenPromiseException.ThrowUnless(taken == Math.Min(before, target.Length), $"{taken} of {before} bytes were taken");
            _router.Consume(connection, taken);
        }

        private void Send(VsockConnection connection, uint most)
        {
            BrokenPromiseException.ThrowUnless(connection.Credit.Available <= _mostRoom[connection], $"credit of {connection.Credit.Available} bytes; the guest never had room for them");
            var length = Math.Min(most, connection.Credit.Available);
            if (length > 0)
            {
                Check(_router.Output.NextData(connection, length));
            }
        }

        private void Drain()
        {
            var refusals = 0;
            for (var count = 0; _router.Output.TryNextControl(out var header); count++)
            {
                BrokenPromiseException.ThrowUnless(count < 1000, "control packets have no end");
                Check(header);
                refusals += header.Operation == VsockOperation.Reset ? 1 : 0;
            }

            // The one that fills the queue may bring three.
            BrokenPromiseException.ThrowUnless(refusals <= s_limits.Refusals + 3 + _ownRefusals, $"{refusals} refusals waited");
            _ownRefusals = 0;
        }

        private static void Check(in VsockHeader header) => BrokenPromiseException.ThrowUnless(
            header is { SourceCid: VsockHeader.HostCid, DestinationCid: GuestCid, Operation: >= VsockOperation.Request and <= VsockOperation.CreditRequest },
            "a packet with a wrong header is sent");
    }
}
