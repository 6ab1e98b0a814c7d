using System.Globalization;

namespace ChannelSdk.GuestAgent.Logging;

/// <summary>
/// The agent's log: one line each, escaped, at a bounded rate. Dropped lines are counted and reported with the
/// next line that is written.
/// </summary>
/// <param name="write">Takes one finished line without its end.</param>
/// <param name="time">The clock of the rate and of the time stamps.</param>
/// <param name="withTime">Whether lines start with the UTC time; the journal adds its own.</param>
internal sealed class AgentLog(Action<string> write, TimeProvider time, bool withTime)
{
    private const int MaxLine = 1000;
    private const int MaxHeld = 500;
    private readonly Lock _lock = new();

    // Lines about refused calls, which a host can cause without limit, must not hide those about allowed calls; other lines must hide neither.
    private readonly double[] _tokens = [2, 2, 2];
    private readonly long[] _refilledAt = [time.GetTimestamp(), time.GetTimestamp(), time.GetTimestamp()];
    private int _leftOut;
    private Queue<string>? _held;
    private int _heldLost;

    /// <summary>Lines below this level are not written.</summary>
    public LogLevel Level { get; set; } = LogLevel.Info;

    /// <summary>Lines per second of each kind (allowed, refused, all others); a burst of twice as many is allowed.</summary>
    public int Rate
    {
        get;
        set
        {
            lock (_lock)
            {
                field = value;
                Array.Fill(_tokens, 2.0 * value);
            }
        }
    } = 1;

    /// <summary>Keeps lines in memory, the newest 500, until <see cref="Release"/>: where they go may stand still.</summary>
    public void Hold()
    {
        lock (_lock)
        {
            _held ??= new Queue<string>(MaxHeld);
        }
    }

    /// <summary>Writes what was kept, and all further lines at once again.</summary>
    public void Release()
    {
        lock (_lock)
        {
            if (_held is null)
            {
                return;
            }

            var lines = _held;
            (_held, var lost, _heldLost) = (null, _heldLost, 0);
            if (lost > 0)
            {
                write(Line("warning", $"{lost} log lines were left out: more than {MaxHeld} while they were kept in memory"));
            }

            foreach (var line in lines)
            {
                write(line);
            }
        }
    }

    /// <summary>A line of the audit record; no level leaves it out.</summary>
    /// <param name="text">What.</param>
    /// <param name="isRefused">Whether it was refused, else allowed.</param>
    public void Audit(string text, bool isRefused) => Write(LogLevel.Error, "audit", text, isRefused ? 2 : 1);

    public void Error(string text) => Write(LogLevel.Error, "error", text);

    public void Warning(string text) => Write(LogLevel.Warning, "warning", text);

    public void Info(string text) => Write(LogLevel.Info, "info", text);

    public void Debug(string text) => Write(LogLevel.Debug, "debug", text);

    private void Write(LogLevel level, string word, string text, int kind = 0)
    {
        if (level > Level)
        {
            return;
        }

        lock (_lock)
        {
            if (!TryAcquireToken(kind))
            {
                _leftOut++;
                return;
            }

            if (_leftOut > 0)
            {
                Put(Line("warning", $"{_leftOut} log lines were left out: more than {Rate} a second"));
                _leftOut = 0;
            }

            Put(Line(word, text));
        }
    }

    private void Put(string line)
    {
        if (_held is null)
        {
            write(line);
            return;
        }

        if (_held.Count == MaxHeld)
        {
            _ = _held.Dequeue();
            _heldLost++;
        }

        _held.Enqueue(line);
    }

    private bool TryAcquireToken(int kind)
    {
        var now = time.GetTimestamp();
        _tokens[kind] = Math.Min(2.0 * Rate, _tokens[kind] + time.GetElapsedTime(_refilledAt[kind], now).TotalSeconds * Rate);
        _refilledAt[kind] = now;
        if (_tokens[kind] < 1)
        {
            return false;
        }

        _tokens[kind]--;
        return true;
    }

    private string Line(string word, string text)
    {
        var stamp = withTime
            // To milliseconds. A format of one's own is many times slower.
            ? string.Concat(time.GetUtcNow().UtcDateTime.ToString("O", CultureInfo.InvariantCulture).AsSpan(0, "yyyy-MM-ddTHH:mm:ss.fff".Length), "Z ")
            : "";
        return $"{stamp}channel-agent: {word}: {LogText.Escape(text, MaxLine)}";
    }
}
