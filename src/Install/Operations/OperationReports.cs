using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Events;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>
/// The reports about an operation, as events and lines of its log. All text of a script passes the
/// redactor and is escaped here.
/// </summary>
internal sealed class OperationReports
{
    private const long MaxLog = 32 << 20;
    private const double Whole = 100;
    private const int MaxResultText = 4096;
    private readonly Redactor _redactor;
    private readonly FileStream _log;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly Dictionary<(InstallParty Party, bool IsError), OutputLines> _outputs = [];
    private bool _isClosed;

    public OperationReports(OperationFolder folder, Redactor redactor, long outputBytes, TimeProvider time)
    {
        (_redactor, _time) = (redactor, time);
        _log = OperationFolder.OpenPrivate(folder.Log);
        Events = new InstallEventLog(time, OperationFolder.OpenPrivate(folder.Events));
        foreach (var party in (InstallParty[])[InstallParty.Trusted, InstallParty.Untrusted])
        {
            foreach (var isError in (bool[])[false, true])
            {
                _outputs[(party, isError)] = new OutputLines(redactor, outputBytes, line => Tell(new OutputEvent { Party = party, IsError = isError, Text = line }));
            }
        }
    }

    public InstallEventLog Events { get; }

    /// <summary>Where the operation is now.</summary>
    public InstallPhase Phase { get; private set; }

    /// <summary>What a half has set as its result, without private and secret values.</summary>
    public Dictionary<InstallParty, ReadOnlyMemory<byte>> Results { get; } = [];

    public void Begin(string operation, string instance) => Tell(new BegunEvent { Operation = operation, Instance = instance, LogFile = _log.Name });

    public void Enter(InstallPhase phase, string text = "")
    {
        Phase = phase;
        Tell(new PhaseEvent { Phase = phase, Text = text });
    }

    public void Note(InstallLogLevel level, string text) => Tell(new LogEvent { Level = level, Text = _redactor.Apply(text) });

    public void Output(InstallParty party, bool isError, ReadOnlySpan<byte> untrusted)
    {
        lock (_gate)
        {
            _outputs[(party, isError)].Add(untrusted);
        }
    }

    public void Progress(InstallParty party, InstallProgress untrusted) => Tell(new ProgressMadeEvent
    {
        Party = party,
        // A half may claim more; it is cut.
        Percent = Math.Min(Whole, untrusted.MilliPercent / 1000.0),
        Steps = [.. untrusted.Steps.Take(ScriptLimits.MaxSteps).Select(step => Clean(step, ScriptLimits.MaxStepName))],
        Text = Clean(untrusted.Text, ScriptLimits.MaxText),
    });

    public void Log(InstallParty party, InstallLog untrusted) => Tell(new LogEvent
    {
        Party = party,
        Level = (InstallLogLevel)Math.Min(untrusted.Level, (uint)InstallLogLevel.Error),
        Text = Clean(untrusted.Text, ScriptLimits.MaxLog),
    });

    public void Message(InstallParty party, int bytes) => Tell(new MessageEvent { Party = party, Bytes = bytes });

    public void Barrier(InstallParty party, ReadOnlySpan<byte> untrustedName) =>
        Tell(new MessageEvent { Party = party, Barrier = Clean(System.Text.Encoding.UTF8.GetString(untrustedName), ScriptLimits.MaxName) });

    public void Data(DataProgress progress) => Tell(new DataMovedEvent { Disk = progress.Disk, Bytes = progress.Bytes, Total = progress.Total });

    public void Data(MovedData moved) => Tell(new DataMovedEvent { Disk = moved.Disk, Bytes = moved.Bytes, Total = moved.Bytes, Sha256 = moved.Sha256 });

    public void Image(long bytes, long? total, string? sha256) => Tell(new ImageReadEvent { Bytes = bytes, Total = total, Sha256 = sha256 });

    public void Result(InstallParty party, ReadOnlySpan<byte> untrusted)
    {
        var result = untrusted[..Math.Min(untrusted.Length, ScriptLimits.MaxMessage)].ToArray();
        _redactor.Apply(result);
        lock (_gate)
        {
            Results[party] = result;
        }
    }

    /// <summary>A half has ended: its last line is reported, also without a line end.</summary>
    /// <returns>The last line of its error output, for the reason; empty if there was none.</returns>
    public string EndOf(InstallParty party)
    {
        lock (_gate)
        {
            _outputs[(party, false)].End();
            return _outputs[(party, true)].End();
        }
    }

    /// <summary>What an appliance's console or hypervisor said last: into the log alone, as it may be long.</summary>
    public void LastWords(string of, ReadOnlySpan<byte> untrusted)
    {
        var words = untrusted[^Math.Min(untrusted.Length, LaunchDiagnosis.MaxOutput)..].ToArray();
        if (untrusted.Length >= LaunchDiagnosis.MaxOutput)
        {
            // It may begin within a value, whose rest would not be found.
            _redactor.Apply(words);
            words = words[Math.Min(_redactor.Longest, words.Length)..];
        }

        lock (_gate)
        {
            if (!_isClosed)
            {
                var lines = new OutputLines(_redactor, LaunchDiagnosis.MaxOutput,
                    line => Write(new LogEvent { At = _time.GetUtcNow(), Level = InstallLogLevel.Info, Text = $"{of}| {line}" }));
                lines.Add(words);
                lines.End();
            }
        }
    }

    /// <summary>The results of the halves, and the last event. Nothing is told after it.</summary>
    public void End(InstallOutcome outcome, string reason)
    {
        lock (_gate)
        {
            foreach (var (party, result) in Results.OrderBy(r => r.Key))
            {
                Tell(new HalfResultEvent { Party = party, Text = SafeText.Escape(System.Text.Encoding.UTF8.GetString(result.Span), MaxResultText), Content = result });
            }
        }

        Enter(InstallPhase.Ended);
        Tell(new ResultEvent { Outcome = outcome, Reason = reason });
        Close();
    }

    public string Clean(string untrusted, int most) => SafeText.Escape(_redactor.Apply(untrusted), most);

    private void Close()
    {
        lock (_gate)
        {
            _isClosed = true;
            Events.Close();
            _log.Dispose();
        }
    }

    private void Tell(InstallEvent next)
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            Write(Events.Add(next));
        }
    }

    private void Write(InstallEvent told)
    {
        try
        {
            if (_log.Length < MaxLog)
            {
                _log.Write(System.Text.Encoding.UTF8.GetBytes(InstallEventText.Line(told) + "\n"));
            }
        }
        catch (IOException)
        {
            // A full disk ends no operation.
        }
    }
}
