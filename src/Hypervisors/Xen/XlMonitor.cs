using System.Diagnostics;
using System.Globalization;
using System.Text;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>An xl in the foreground: it makes a domain, makes it again when it reboots, and ends with it.</summary>
internal sealed class XlMonitor : IAsyncDisposable
{
    private const int MaxErrorOutput = 4096;

    private readonly Process _process;
    private readonly string _command;
    private readonly Action<uint> _made;
    private readonly StringBuilder _errorOutput = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;

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
            throw XlCommand.Failed(_command, _process.ExitCode, _errorOutput.ToString());
        }
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

    private async Task ReadAsync()
    {
        while (await _process.StandardError.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            if (DomainOf(line) is { } number)
            {
                _made(number);
                _first.TrySetResult();
            }
            else if (_errorOutput.Length < MaxErrorOutput)
            {
                _errorOutput.AppendLine(line);
            }
        }
    }
}
