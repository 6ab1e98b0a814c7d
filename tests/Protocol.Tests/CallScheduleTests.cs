namespace ChannelSdk.Protocol.Tests;

/// <summary>Random schedules of cuts, pauses, restarts and deadlines under calls that are retried, in virtual time. A failure prints its seed.</summary>
public class CallScheduleTests
{
    private const int Schedules = 10_000;

    [Fact]
    public void In_ten_thousand_random_schedules_a_call_that_ended_as_Retry_never_ran_and_none_ran_twice()
    {
        var (retried, ran) = (0, 0);
        for (var seed = 1; seed <= Schedules; seed++)
        {
            var schedule = new Schedule(seed);
            try
            {
                schedule.Run();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}: {e.Message}", e);
            }

            retried += schedule.Retried;
            ran += schedule.RanOnce;
        }

        // The schedules do reach both ends.
        Assert.True(retried > Schedules, $"{retried} attempts ended as Retry");
        Assert.True(ran > Schedules, $"{ran} attempts ran");
    }

    private sealed class Schedule
    {
        private readonly Random _random;
        private readonly int _seed;
        private readonly SessionOptions _options;
        private readonly CallPeer _host;
        private readonly Dictionary<int, int> _ran = [];
        private readonly Dictionary<int, int> _operations = [];
        private readonly Queue<int> _again = new();
        private CallPeer _guest;
        private Wire<CallPeer> _wire;
        private int _attempts;
        private int _guests;

        public Schedule(int seed)
        {
            (_random, _seed) = (new Random(seed), seed);
            _options = new SessionOptions
            {
                MaxFrame = _random.Next(2) == 0 ? 1024 : 4096,
                ReplayBytes = 128 << 10,
                StreamWindow = new(4096, 2048 << _random.Next(3), 8192),
                MaxStreams = new(4, _random.Next(2, 12), 4),
                SessionWindow = 65536,
                AckBytes = _random.Next(1, 8192),
                OutputBatch = _random.Next(1024, 16384),
            };
            _host = new CallPeer(PeerRole.Host, _options, seed * 2) { AttemptEnded = Ended };
            (_guest, _wire) = NewGuest();
        }

        public int Retried => _host.Ended.Count(e => e.Value is { Code: not ChannelError.None, Class: ErrorClass.Retry });

        public int RanOnce => _ran.Count;

        public void Run()
        {
            _wire.Connect();
            for (var i = _random.Next(4, 24); i > 0; i--)
            {
                if (_random.Next(2) == 0)
                {
                    Attempt(operation: _attempts);
                }

                if (_again.TryDequeue(out var operation))
                {
                    Attempt(operation);
                }

                Fault();
            }

            for (var round = 0; round < 40 && _host.Ended.Count < _attempts; round++)
            {
                Calm();
                _wire.Run(2_000_000);
            }

            Check();
        }

        private (CallPeer Guest, Wire<CallPeer> Wire) NewGuest()
        {
            var guest = new CallPeer(PeerRole.Guest, _options, _seed * 2 + 1 + 1_000_000 * ++_guests);
            return (guest, new Wire<CallPeer>(guest, _host) { Now = _wire?.Now ?? 1_000_000 });
        }

        private void Attempt(int operation)
        {
            var deadline = _random.Next(4) == 0 ? 0 : _wire.Now + _random.Next(1000, 300_000);
            _attempts++;
            if (_host.Call(_attempts, _random.Next(4, 9000), deadline, _wire.Now, (StreamClass)_random.Next(3)))
            {
                _operations[_attempts] = operation;
            }
            else
            {
                _attempts--;
            }
        }

        private void Ended(int attempt)
        {
            if (_host.Ended[attempt] is { Code: not ChannelError.None, Class: ErrorClass.Retry })
            {
                _again.Enqueue(_operations[attempt]);
            }
        }

        private void Fault()
        {
            var direction = _random.Next(2) == 0 ? _wire.ToHost : _wire.ToGuest;
            switch (_random.Next(9))
            {
                case 0:
                    direction.CutAt = direction.Total + _random.Next(1, 5000);
                    break;
                case 1:
                    direction.Stalled = !direction.Stalled;
                    break;
                case 2:
                    direction.MaxChunk = _random.Next(1, 64);
                    break;
                case 3:
                    CutWithinSend();
                    break;
                case 4:
                    if (_wire.IsUp)
                    {
                        var side = _random.Next(2) == 0 ? _guest : _host;
                        side.Session.LinkDown(ChannelError.LinkLost, "reconnect", _wire.Now);
                        side.Session.LinkUp(_wire.Now);
                    }

                    break;
                case 5 or 6:
                    _wire.Cut();
                    break;
                case 7:
                    _guest.AnswersAtOnce = !_guest.AnswersAtOnce;
                    _guest.AnswerAll();
                    break;
                case 8 when _random.Next(4) == 0:
                    Restart();
                    break;
            }

            if (!_wire.IsUp && _random.Next(3) == 0)
            {
                _wire.Connect();
            }

            Pass(_random.Next(1, 200_000));
        }

        /// <summary>What is called while the transport is at a send is produced and given to no link, until the link goes with the send.</summary>
        private void CutWithinSend()
        {
            if (!_wire.IsUp)
            {
                return;
            }

            Attempt(operation: _attempts);
            var lent = _host.Session.GetOutput(_wire.Now).Length;
            for (var i = _random.Next(4); i > 0; i--)
            {
                Attempt(operation: _attempts);
            }

            _wire.Now += _random.Next(1, 200_000);
            _host.Tick(_wire.Now);
            _host.Session.AdvanceOutput(_random.Next(lent + 1));
            _wire.Cut();
        }

        /// <summary>The guest's memory is lost, and a new one comes to the same place.</summary>
        private void Restart()
        {
            _wire.Cut();
            Note();
            (_guest, _wire) = NewGuest();
        }

        private void Pass(long time)
        {
            if (_wire.IsUp)
            {
                _wire.Run(time);
            }

            if (!_wire.IsUp)
            {
                // Deadlines pass without a link, too.
                _wire.Now += time;
                _guest.Tick(_wire.Now);
                _host.Tick(_wire.Now);
            }
        }

        private void Calm()
        {
            foreach (var direction in new[] { _wire.ToHost, _wire.ToGuest })
            {
                (direction.Stalled, direction.CutAt) = (false, null);
                direction.MaxChunk = int.MaxValue;
            }

            _guest.AnswersAtOnce = true;
            _guest.AnswerAll();
            if (!_wire.IsUp)
            {
                _wire.Connect();
            }
        }

        private void Note()
        {
            foreach (var (attempt, count) in _guest.Ran)
            {
                _ran[attempt] = _ran.GetValueOrDefault(attempt) + count;
            }
        }

        private void Check()
        {
            Note();
            foreach (var (attempt, status) in _host.Ended)
            {
                var count = _ran.GetValueOrDefault(attempt);
                var (least, most) = status switch
                {
                    { Code: ChannelError.None } => (1, 1),
                    { Class: ErrorClass.Retry } => (0, 0),
                    _ => (0, 1),
                };
                Assert.True(count >= least && count <= most, $"attempt {attempt} ended as {status} and ran {count} times");
            }

            Assert.True(_host.Ended.Count == _attempts, $"{_attempts - _host.Ended.Count} attempts never ended; host: {string.Join(", ", _host.Events)}");
            foreach (var operation in _operations.GroupBy(o => o.Value, o => o.Key))
            {
                var count = operation.Sum(attempt => _ran.GetValueOrDefault(attempt));
                Assert.True(count <= 1, $"operation {operation.Key} ran {count} times in {operation.Count()} attempts");
            }
        }
    }
}
