using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>Random schedules of faults over the whole core, in virtual time. A failure prints its seed.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class FaultScheduleTests
{
    private const int Schedules = 10_000;

    [Fact]
    public void Ten_thousand_random_fault_schedules_lose_nothing_reorder_nothing_and_never_stall()
    {
        for (var seed = 1; seed <= Schedules; seed++)
        {
            try
            {
                new Schedule(seed).Run();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}: {e.Message}", e);
            }
        }
    }

    private sealed class Schedule
    {
        private readonly Random _random;
        private readonly Peer _guest;
        private readonly Peer _host;
        private readonly Wire _wire;
        private readonly List<(Peer Receiver, string Name, int Count, int Size)> _expected = [];
        private readonly WireFaults _faults;

        public Schedule(int seed)
        {
            _random = new Random(seed);
            _faults = new WireFaults(_random);
            var options = _faults.NewOptions(rpcStreams: 8);
            _guest = new Peer(PeerRole.Guest, options, seed * 2);
            _host = new Peer(PeerRole.Host, options, seed * 2 + 1);
            _wire = new Wire(_guest, _host);
        }

        public void Run()
        {
            Queue(_guest, _host, "g");
            Queue(_host, _guest, "h");
            var faults = _random.Next(0, 12);
            _wire.Connect();
            for (var i = 0; i < faults; i++)
            {
                Fault();
                CheckBounds();
            }

            Calm();
            for (var round = 0; round < 50 && !IsDone(); round++)
            {
                if (!_wire.IsUp)
                {
                    _wire.Connect();
                }

                _wire.Run(2_000_000);
                _guest.ConsumeAll();
                _host.ConsumeAll();
            }

            Check();
        }

        private void Fault()
        {
            var kind = _random.Next(WireFaults.Kinds + 1);
            if (kind == WireFaults.Kinds)
            {
                var slow = _random.Next(2) == 0 ? _guest : _host;
                slow.ConsumeAtOnce = !slow.ConsumeAtOnce;
                slow.ConsumeAll();
            }

            _faults.Next(_wire, kind);
            _wire.Run(_random.Next(1, 200_000));
        }

        private void Calm()
        {
            WireFaults.Calm(_wire);
            _guest.ConsumeAtOnce = _host.ConsumeAtOnce = true;
            _guest.ConsumeAll();
            _host.ConsumeAll();
        }

        /// <summary>Every second message looks like frames of a link.</summary>
        private static byte[] NewMessage(int n, int size)
        {
            var message = Peer.Number(n, size);
            if (n % 2 == 0)
            {
                HostileContent.Fill(message.AsSpan(sizeof(int)), n);
            }

            return message;
        }

        private void Queue(Peer from, Peer to, string prefix)
        {
            var work = new Dictionary<string, (int Sent, int Count, int Size)>();
            void WriteMore(SessionStream stream)
            {
                var name = (string)stream.State!;
                var (sent, count, size) = work[name];
                while (sent < count && stream.CanWrite)
                {
                    sent++;
                    work[name] = (sent, count, size);
                    from.Session.Write(stream, NewMessage(sent, size), sent == count ? DataFlags.Fin : DataFlags.None);
                }
            }

            from.WriteDone = WriteMore;
            for (var i = _random.Next(1, 4); i > 0; i--)
            {
                var name = prefix + i;
                var (count, size) = (_random.Next(1, 12), _random.Next(4, 6000));
                work[name] = (0, count, size);
                _expected.Add((to, name, count, size));
                WriteMore(from.Open(name, (StreamClass)_random.Next(3)));
            }
        }

        private bool IsDone() => _expected.All(e => e.Receiver.Finished.Contains(e.Name));

        private void CheckBounds()
        {
            foreach (var peer in new[] { _guest, _host })
            {
                Assert.InRange(peer.Session.HeldBytes, 0, (128 << 10) + 4096);
                Assert.InRange(peer.UnconsumedBytes, 0, 65536);
            }
        }

        private void Check()
        {
            Assert.True(_guest.Lost + _host.Lost == 0, $"a session was lost; guest: {string.Join(", ", _guest.Events)}; host: {string.Join(", ", _host.Events)}");
            foreach (var (receiver, name, count, size) in _expected)
            {
                Assert.True(receiver.Messages.TryGetValue(name, out var messages),
                    $"nothing came on {name}; guest: {string.Join(", ", _guest.Events)}; host: {string.Join(", ", _host.Events)}");
                Assert.Equal(count, messages!.Count);
                for (var i = 0; i < count; i++)
                {
                    Assert.True(messages[i].AsSpan().SequenceEqual(NewMessage(i + 1, size)), $"message {i + 1} of {name} differs");
                }
            }
        }
    }
}
