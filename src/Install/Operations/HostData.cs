using ChannelSdk.Install.Data;
using ChannelSdk.Install.Processes;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>Joins the data of one disk with the script on the host that is called for it. Its threads are its own, as the script and the place may both keep them waiting.</summary>
/// <param name="isExport">Whether the script writes the data.</param>
/// <param name="flow">The way to the place of the data, or from there.</param>
/// <param name="disk">Which disk, from 0.</param>
/// <param name="device">Its path.</param>
internal sealed class HostData(bool isExport, DataFlow flow, int disk, string device) : IDisposable
{
    private const int PieceBytes = 128 << 10;
    private readonly SizeEstimate _size = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What the script finds in its environment.</summary>
    public IEnumerable<KeyValuePair<string, string>> Variables => DataVariables.Of(isExport, device, disk, HostStreams.ExtraNumber);

    /// <summary>The streams of the script.</summary>
    /// <param name="streams">Those of a script that moves no data.</param>
    public HostStreams Join(HostStreams streams) => isExport ? streams with { Output = Take, Extra = OnSize, IsWide = true } : streams with { HasInput = true, IsWide = true };

    /// <summary>Waits for the end of the script and of its data.</summary>
    /// <returns>How it ended; with a reason if that is no good end in spite of its code.</returns>
    /// <exception cref="ChannelException">Why the place takes or gives no more; the script is killed then.</exception>
    public async Task<ScriptEnded> AttendAsync(HostProcess process, CancellationToken cancellationToken)
    {
        using var stopping = cancellationToken.UnsafeRegister(static self => ((HostData)self!)._stop.Cancel(), this);
        var giving = process.Input is { } input
            ? Task.Factory.StartNew(() => Give(input), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
            : Task.FromResult(true);
        try
        {
            await Task.WhenAny(process.End, isExport ? _failed.Task : giving).WaitAsync(cancellationToken).ConfigureAwait(false);
            if (_failed.Task.IsCompleted)
            {
                await _failed.Task.ConfigureAwait(false);
            }

            if (process.End.IsCompleted && (await process.End.ConfigureAwait(false) is not { Code: 0, Signal: 0 } || process.Input?.Unread > 0))
            {
                return Judge(await process.End.ConfigureAwait(false), process, wasGiven: false);
            }

            // A script that knows where its data ends may have ended before all of that was known here.
            var wasGiven = await giving.WaitAsync(cancellationToken).ConfigureAwait(false);
            var end = await process.End.WaitAsync(cancellationToken).ConfigureAwait(false);
            return _failed.Task.IsFaulted ? throw _failed.Task.Exception.InnerException! : Judge(end, process, wasGiven);
        }
        finally
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            process.Kill();
            _ = _failed.Task.Exception;
            _ = giving.ContinueWith(static late => _ = late.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    public void Dispose() => _stop.Dispose();

    private ScriptEnded Judge(ScriptEnded end, HostProcess process, bool wasGiven) =>
        end is { Code: 0, Signal: 0 } && !isExport && (!wasGiven || process.Input!.Unread > 0)
            ? InstallWire.Ended(0, 0, $"the script of disk {disk} has not read all of its data, and ended without an error")
            : end;

    /// <summary>On the thread that attends the script, which waits while the place takes nothing.</summary>
    private void Take(ReadOnlyMemory<byte> data)
    {
        if (data.IsEmpty || _failed.Task.IsCompleted)
        {
            return;
        }

        try
        {
            flow.WriteAsync(data, _stop.Token).AsTask().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException or ObjectDisposedException)
        {
            _failed.TrySetException(e);
        }
    }

    private void OnSize(ReadOnlyMemory<byte> text)
    {
        if (_size.Add(text.Span) is { } bytes)
        {
            flow.Meter.Expect(bytes);
        }
    }

    /// <summary>On its own thread: gives the script its data, until that ends or the script reads no more.</summary>
    /// <returns>Whether the script was given all of it.</returns>
    private bool Give(InputPipe input)
    {
        var buffer = new byte[PieceBytes];
        while (flow.ReadAsync(buffer, _stop.Token).AsTask().GetAwaiter().GetResult() is > 0 and var count)
        {
            if (!Descriptor.WriteAll(input.Write, buffer.AsSpan(0, count)))
            {
                return false;
            }
        }

        input.End();
        return true;
    }
}
