using System.Diagnostics;
using System.Globalization;
using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>An xl in the foreground: it makes a domain, makes it again when it reboots, and ends with it.</summary>
internal sealed class XlMonitor : IAsyncDisposable
{
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(1);

    private readonly Process _process;
    private readonly string _command;
    private readonly Action<uint> _made;
    private readonly TailBuffer _errors = new(LaunchDiagnosis.MaxOutput);
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;
    private volatile string _reason = "";

    /// <summary>Starts one.</summary>
    /// <param name="options">The domain's.</param>
    /// <param name="made">Told the domain's number each time that it was made.</param>
    /// <param name="arguments">Of xl, the command first.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: there is no xl.</exception>
    public XlMonitor(XlOptions options, Action<uint> made, params string[] arguments)
    {
        (_command, _made) = (arguments[0], made);
        _process = XlCommand.Start(options.Program, options.Environment, arguments);
        Identity = ProcessIdentity.Of(_process.Id);
        Exited = _process.WaitForExitAsync();
        _reading = Task.WhenAll(ReadAsync(), _process.StandardOutput.BaseStream.CopyToAsync(Stream.Null));
    }

    /// <summary>Which process it is; null if it had ended at once.</summary>
    public ProcessIdentity? Identity { get; }

    /// <summary>Ends when it has, and with it its domain.</summary>
    public Task Exited { get; }

    /// <summary>Waits until the domain runs.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TransportFailed"/>: it could not be made, with xl's error output.</exception>
    public async Task WaitMadeAsync(CancellationToken cancellationToken)
    {
        if (await Task.WhenAny(_first.Task, _reading).WaitAsync(cancellationToken).ConfigureAwait(false) != _first.Task && !_first.Task.IsCompleted)
        {
            await Exited.WaitAsync(cancellationToken).ConfigureAwait(false);
            throw XlCommand.Failed(_command, _process.ExitCode, Encoding.UTF8.GetString(_errors.ToArray()));
        }
    }

    /// <summary>What xl has said of the domain's end, once it has ended.</summary>
    public async ValueTask<LaunchDiagnosis> DiagnoseAsync()
    {
        if (Exited.IsCompleted)
        {
            // A child of it may hold its output open.
            await _reading.WaitAsync(s_lastWords).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return new LaunchDiagnosis { Reason = _reason, Errors = _errors.ToArray() };
    }

    /// <summary>Kills it, which leaves the domain as it is.</summary>
    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await Exited.ConfigureAwait(false);
        await _reading.ConfigureAwait(false);
        _process.Dispose();
    }

    /// <summary>The number in "Waiting for domain NAME (domid NUMBER) to die", which xl says of a domain that it has made; null if the line is another.</summary>
    internal static uint? DomainOf(string line)
    {
        const string begin = "Waiting for domain ";
        const string mark = "(domid ";
        var at = line.StartsWith(begin, StringComparison.Ordinal) ? line.LastIndexOf(mark, StringComparison.Ordinal) : -1;
        var rest = at < 0 ? "" : line[(at + mark.Length)..];
        return uint.TryParse(rest.AsSpan(0, Math.Max(rest.IndexOf(')', StringComparison.Ordinal), 0)), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
    }

    /// <summary>Why a domain ended, by "Domain NUMBER has shut down, reason code CODE" (xen/include/public/sched.h) or "Domain NUMBER has been destroyed", which xl says of it; null if the line is another.</summary>
    internal static string? ReasonOf(string line)
    {
        const string mark = " has shut down, reason code ";
        var at = line.StartsWith("Domain ", StringComparison.Ordinal) ? line.LastIndexOf(mark, StringComparison.Ordinal) : -1;
        return at >= 0 ? line[(at + mark.Length)..].Split(' ')[0] switch
        {
            "0" => "it switched itself off",
            "1" => "it was reset from inside",
            "2" => "it was suspended",
            "3" => "it crashed",
            "4" => "its watchdog ended it",
            _ => null,
        }
        : line.StartsWith("Domain ", StringComparison.Ordinal) && line.Contains(" has been destroyed", StringComparison.Ordinal) ? "its domain was destroyed" : null;
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardError.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            if (DomainOf(line) is { } number)
            {
                _made(number);
                _first.TrySetResult();
            }
            else
            {
                _errors.Add(Encoding.UTF8.GetBytes(line + "\n"));
                _reason = ReasonOf(line) ?? _reason;
            }
        }
    }
}
