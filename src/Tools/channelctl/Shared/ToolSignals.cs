using System.Globalization;
using System.Runtime.InteropServices;

namespace ChannelSdk.Cli.Shared;

/// <summary>
/// The signals that ask this process to end. The first one cancels what is under way, which has some time to leave nothing
/// behind; the next one, or the end of that time, ends the process at once. The exit code is 128 and the signal's number.
/// </summary>
internal sealed class ToolSignals : IDisposable
{
    private static readonly (PosixSignal Signal, int Number)[] s_signals =
        [(PosixSignal.SIGHUP, 1), (PosixSignal.SIGINT, 2), (PosixSignal.SIGQUIT, 3), (PosixSignal.SIGTERM, 15)];

    private readonly CancellationTokenSource _ended = new();
    private readonly PosixSignalRegistration[] _registrations;
    private int _code;

    /// <summary>Takes the signals, but for those that this process was told to ignore (nohup, jobs of a shell without job control).</summary>
    /// <param name="takesSignals">False: only <see cref="End"/> ends what is under way, and nothing ends the process.</param>
    public ToolSignals(bool takesSignals = true)
    {
        var ignored = takesSignals ? Ignored() : ulong.MaxValue;
        Grace = takesSignals ? TimeSpan.FromSeconds(5) : null;
        _registrations = [.. s_signals.Where(s => (ignored >> (s.Number - 1) & 1) == 0)
            .Select(s => PosixSignalRegistration.Create(s.Signal, context => { context.Cancel = true; End(128 + s.Number); }))];
    }

    /// <summary>How long a command may take to end after the first signal. Null: until it has, or the next signal comes.</summary>
    public TimeSpan? Grace { get; set; }

    /// <summary>Fires at the first signal.</summary>
    public CancellationToken Token => _ended.Token;

    /// <summary>The exit code of a command that was ended by a signal or by a reader that has gone; null: it was not.</summary>
    public int? Code => Volatile.Read(ref _code) is > 0 and var code ? code : null;

    /// <summary>Ends what is under way with a code.</summary>
    public void End(int code)
    {
        if (Interlocked.CompareExchange(ref _code, code, 0) != 0)
        {
            Environment.Exit(code);
        }

        if (Grace is { } grace)
        {
            new Thread(() =>
            {
                Thread.Sleep(grace);
                Environment.Exit(code);
            })
            { IsBackground = true, Name = "channelctl-end" }.Start();
        }

        // Callbacks run here, on a thread of the signals or one of the pool.
        _ended.Cancel();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }
    }

    private static ulong Ignored()
    {
        const string name = "SigIgn:";
        try
        {
            return File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal)) is { } line
                && ulong.TryParse(line.AsSpan(name.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var mask) ? mask : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
