using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Tests;

/// <summary>Random schedules of cuts, pauses, restarts, copies and deadlines under calls that are retried, in virtual time. A failure prints its seed.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class CallScheduleTests
{
    private const int Schedules = 10_000;
    private const int MaxMessage = 10_000;

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void In_ten_thousand_random_schedules_a_call_that_ended_as_Retry_never_ran_and_none_ran_twice(bool isIsolated, bool workersEnd)
    {
        var (retried, ran, restored, deaths) = (0, 0, 0, 0);
        for (var seed = 1; seed <= Schedules; seed++)
        {
            var schedule = new Schedule(seed, isIsolated, workersEnd);
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
            restored += schedule.Restored;
            deaths += schedule.Deaths;
        }

        // The schedules do reach both ends.
        Assert.True(retried > Schedules, $"{retried} attempts ended as Retry");
        Assert.True(ran > Schedules, $"{ran} attempts ran");
        Assert.True(deaths > Schedules || !workersEnd, $"{deaths} workers ended");
        Assert.True(isIsolated || restored > Schedules / 4, $"{restored} copies were restored");
    }

    private sealed class Schedule
    {
        private readonly Random _random;
        private readonly int _seed;
        private readonly bool _isIsolated;
        private readonly WireFaults _faults;
        private readonly SessionOptions _options;
        private readonly CallPeer _host;
        private readonly Dictionary<int, int> _ranEver = [];
        private readonly Dictionary<int, int> _operations = [];
        private readonly Queue<int> _again = new();
        private CallPeer _guest;
        private World? _saved;
        private Wire<CallPeer> _wire;
        private const int ElsewhereAttempts = 1_000_000;
        private int _attempts;
        private int _elsewhere;
        private int _guests;
        private bool _isCalm;

        public Schedule(int seed, bool isIsolated, bool workersEnd)
        {
            (_random, _seed, _isIsolated) = (new Random(seed), seed, isIsolated);
            _faults = new WireFaults(_random);
            _options = _faults.NewOptions(_random.Next(2, 12));
            _host = isIsolated
                ? new WorkedCallPeer(_options, seed * 2, MaxMessage) { AttemptEnded = Ended }
                : new CallPeer(PeerRole.Host, _options, seed * 2, MaxMessage) { AttemptEnded = Ended };
            if (_host is WorkedCallPeer { End: var end } && workersEnd)
            {
                end.Dies = () => !_isCalm && _random.Next(60) == 0;
            }

            (_guest, _wire) = NewGuest([]);
        }

        public int Retried => _host.Ended.Count(e => e.Value is { Code: not ChannelError.None, Class: ErrorClass.Retry });

        public int RanOnce => _ranEver.Count;

        public int Deaths => (_host as WorkedCallPeer)?.End.Deaths ?? 0;

        public int Restored { get; private set; }

        public void Run()
        {
            if (!_isIsolated && _random.Next(4) == 0)
            {
                // Of before the first handshake.
                _saved = Copy(new World(_guest, _host));
            }

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

        private (CallPeer Guest, Wire<CallPeer> Wire) NewGuest(Dictionary<int, int> ran)
        {
            var guest = new CallPeer(PeerRole.Guest, _options, _seed * 2 + 1 + 1_000_000 * ++_guests, MaxMessage)
            {
                Ran = ran,
                RanEver = _ranEver,
                AnswerSize = _random.Next(4, 3000),
            };
            return (guest, new Wire<CallPeer>(guest, _host) { Now = _wire?.Now ?? 1_000_000 });
        }

        private void Attempt(int operation)
        {
            var deadline = _random.Next(4) == 0 ? 0 : _wire.Now + _random.Next(1000, 300_000);
            _operations[++_attempts] = operation;
            if (!_host.Call(_attempts, _random.Next(4, 9000), deadline, _wire.Now, (StreamClass)_random.Next(3)))
            {
                _operations.Remove(_attempts--);
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
            var kind = _random.Next(WireFaults.Kinds + 5);
            switch (kind - WireFaults.Kinds)
            {
                case 0:
                    CutWithinSend();
                    break;
                case 1:
                    _guest.AnswersAtOnce = !_guest.AnswersAtOnce;
                    _guest.AnswerAll();
                    break;
                case 2 when _random.Next(4) == 0:
                    Restart();
                    break;
                case 3 when !_isIsolated:
                    _saved = Copy(new World(_guest, _host));
                    break;
                case 4 when _saved is not null:
                    Restore();
                    break;
            }

            _faults.Next(_wire, kind);
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
            (_guest, _wire) = NewGuest(_guest.Ran);
        }

        /// <summary>
        /// The guest goes back to an older state of its memory; what ran since then has not, and its links are gone. In between it
        /// may have gone on with a copy of its host of that time, so that two histories of one session have parted.
        /// </summary>
        private void Restore()
        {
            Restored++;
            _wire.Cut();
            var world = Copy(_saved!);
            world.Guest.Session.LinkDown(ChannelError.LinkLost, "restored", _wire.Now);
            if (_random.Next(2) == 0)
            {
                GoElsewhere(world);
            }

            _guest = world.Guest;
            _wire = new Wire<CallPeer>(_guest, _host) { Now = _wire.Now };
        }

        private void GoElsewhere(World world)
        {
            var (guest, host) = (world.Guest, world.Host);
            // The copy of the host makes the calls of its memory, too; those are no calls of this host.
            (host.AttemptEnded, guest.Counts) = (null, false);
            host.Session.LinkDown(ChannelError.LinkLost, "restored", _wire.Now);
            var elsewhere = new Wire<CallPeer>(guest, host) { Now = _wire.Now };
            elsewhere.Connect();
            for (var i = _random.Next(1, 4); i > 0; i--)
            {
                host.Call(ElsewhereAttempts + ++_elsewhere, _random.Next(4, 9000), deadline: 0, elsewhere.Now, (StreamClass)_random.Next(3));
                elsewhere.Run(_random.Next(1, 30_000));
            }

            elsewhere.Cut();
            guest.Counts = true;
            _wire.Now = elsewhere.Now;
        }

        private World Copy(World world) => Snapshot.Of(world, this, _ranEver, _guest.Nonces, _host.Nonces, world.Guest.Nonces);

        /// <summary>A worker that has ended took its link with it.</summary>
        private void CutIfLost()
        {
            if (_host is WorkedCallPeer { End: { HasLostLink: true } end })
            {
                end.HasLostLink = false;
                _wire.Cut();
            }
        }

        private void Pass(long time)
        {
            CutIfLost();
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
            _isCalm = true;
            CutIfLost();
            WireFaults.Calm(_wire);
            _guest.AnswersAtOnce = true;
            _guest.AnswerAll();
            if (!_wire.IsUp)
            {
                _wire.Connect();
            }
        }

        private void Check()
        {
            foreach (var (attempt, status) in _host.Ended)
            {
                var (ever, count) = (_ranEver.GetValueOrDefault(attempt), _guest.Ran.GetValueOrDefault(attempt));
                var isRetry = status is { Code: not ChannelError.None, Class: ErrorClass.Retry };
                Assert.True(count <= 1, $"attempt {attempt} ended as {status} and ran {count} times");
                Assert.True(!isRetry || ever == 0, $"attempt {attempt} ended as {status} and ran {ever} times");
                Assert.True(status.Code != ChannelError.None || ever > 0, $"attempt {attempt} was answered and ran never");
            }

            Assert.True(_host.Ended.Count == _attempts, $"{_attempts - _host.Ended.Count} attempts never ended; host: {string.Join(", ", _host.Events)}");
            foreach (var operation in _operations.GroupBy(o => o.Value, o => o.Key))
            {
                var count = operation.Sum(attempt => _guest.Ran.GetValueOrDefault(attempt));
                Assert.True(count <= 1, $"operation {operation.Key} ran {count} times in {operation.Count()} attempts");
            }
        }

        private sealed record World(CallPeer Guest, CallPeer Host);
    }
}
