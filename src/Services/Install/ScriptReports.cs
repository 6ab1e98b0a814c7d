using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Limits;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Install;

/// <summary>What a script reports: progress, log, result. A script that reports too often waits for its turn.</summary>
internal sealed class ScriptReports
{
    private readonly ScriptSignal _signal;
    private readonly IScriptSink _sink;
    private readonly TimeProvider _time;
    private readonly ProgressSteps _steps = new();
    private TokenBucket _pace;

    public ScriptReports(ScriptSignal signal, IScriptSink sink, TimeProvider time)
    {
        (_signal, _sink, _time) = (signal, sink, time);
        _pace = new TokenBucket(ScriptLimits.ReportsPerSecond, ScriptLimits.ReportsPerSecond, Now);
    }

    private long Now => (long)_time.GetElapsedTime(0).TotalMicroseconds;

    public ValueTask ProgressAsync(double percent, string text, CancellationToken cancellationToken) =>
        ReportAsync(steps => steps.Progress(percent, text), cancellationToken);

    public ValueTask OpenStepAsync(string name, double from, double to, CancellationToken cancellationToken) =>
        ReportAsync(steps => steps.Open(name, from, to), cancellationToken);

    public ValueTask CloseStepAsync(CancellationToken cancellationToken) => ReportAsync(static steps => steps.Close(), cancellationToken);

    public async ValueTask LogAsync(InstallLogLevel level, string text, CancellationToken cancellationToken)
    {
        ScriptBounds.CheckText(text, ScriptLimits.MaxLog, "a log line");
        if (level is < InstallLogLevel.Debug or > InstallLogLevel.Error)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"{(int)level} is no level of a log line; it is {(int)InstallLogLevel.Debug} (debug) to {(int)InstallLogLevel.Error} (error)");
        }

        await TurnAsync(cancellationToken).ConfigureAwait(false);
        await _sink.LogAsync(new InstallLog { Level = (uint)level, Text = text }).ConfigureAwait(false);
    }

    public async ValueTask ResultAsync(ReadOnlyMemory<byte> result, CancellationToken cancellationToken)
    {
        ScriptBounds.Check(result.Length, "a result");
        await TurnAsync(cancellationToken).ConfigureAwait(false);
        await _sink.ResultAsync(result).ConfigureAwait(false);
    }

    private async ValueTask ReportAsync(Func<ProgressSteps, InstallProgress> change, CancellationToken cancellationToken)
    {
        await TurnAsync(cancellationToken).ConfigureAwait(false);
        InstallProgress progress;
        lock (_signal.Gate)
        {
            progress = change(_steps);
        }

        await _sink.ProgressAsync(progress).ConfigureAwait(false);
    }

    private async ValueTask TurnAsync(CancellationToken cancellationToken)
    {
        long wait;
        lock (_signal.Gate)
        {
            _signal.ThrowIfOver();
            var now = Now;
            _pace.Charge(1, now);
            wait = _pace.ReadyAt(now) - now;
        }

        if (wait > 0)
        {
            await Task.Delay(TimeSpan.FromMicroseconds(wait), _time, cancellationToken).ConfigureAwait(false);
        }
    }
}
