using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Runtime.Halves;

/// <summary>What a script says for others to see: progress, log, result. One that talks for ever waits for its turn.</summary>
internal sealed class HalfReports
{
    private readonly HalfSignal _signal;
    private readonly IHalfOutlet _outlet;
    private readonly TimeProvider _time;
    private readonly HalfSteps _steps = new();
    private TokenBucket _pace;

    public HalfReports(HalfSignal signal, IHalfOutlet outlet, TimeProvider time)
    {
        (_signal, _outlet, _time) = (signal, outlet, time);
        _pace = new TokenBucket(HalfLimits.ReportsPerSecond, HalfLimits.ReportsPerSecond, Now);
    }

    private long Now => (long)_time.GetElapsedTime(0).TotalMicroseconds;

    public ValueTask ProgressAsync(uint milliPercent, string text, CancellationToken cancellationToken) =>
        ReportAsync(steps => steps.Progress(milliPercent, text), cancellationToken);

    public ValueTask OpenStepAsync(string name, uint from, uint to, CancellationToken cancellationToken) =>
        ReportAsync(steps => steps.Open(name, from, to), cancellationToken);

    public ValueTask CloseStepAsync(CancellationToken cancellationToken) => ReportAsync(static steps => steps.Close(), cancellationToken);

    public async ValueTask LogAsync(uint level, string text, CancellationToken cancellationToken)
    {
        HalfBytes.CheckText(text, HalfLimits.MaxLog, "a log line");
        if (level > HalfLimits.MaxLevel)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"{level} is no level of a log line; it is 0 (debug) to {HalfLimits.MaxLevel} (error)");
        }

        await TurnAsync(cancellationToken).ConfigureAwait(false);
        await _outlet.LogAsync(new InstallLog { Level = level, Text = text }).ConfigureAwait(false);
    }

    public async ValueTask ResultAsync(ReadOnlyMemory<byte> result, CancellationToken cancellationToken)
    {
        HalfBytes.Check(result.Length, "a result");
        await TurnAsync(cancellationToken).ConfigureAwait(false);
        await _outlet.ResultAsync(result).ConfigureAwait(false);
    }

    private async ValueTask ReportAsync(Func<HalfSteps, InstallProgress> change, CancellationToken cancellationToken)
    {
        await TurnAsync(cancellationToken).ConfigureAwait(false);
        InstallProgress progress;
        lock (_signal.Gate)
        {
            progress = change(_steps);
        }

        await _outlet.ProgressAsync(progress).ConfigureAwait(false);
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
