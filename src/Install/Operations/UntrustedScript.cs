using ChannelSdk.Channels;
using ChannelSdk.Install.Events;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>The half in the appliance, as the host sees it: what it says goes to the reports and to the other half.</summary>
internal sealed class UntrustedScript : IAsyncDisposable
{
    private static readonly TimeSpan s_refusalWait = TimeSpan.FromSeconds(1);
    private readonly ChannelStream _stream;
    private readonly OperationReports _reports;
    private readonly ScriptCoordinator? _trusted;
    private readonly TaskCompletionSource<ScriptEnded> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stopping = new();
    private Task _reading = Task.CompletedTask;

    private UntrustedScript(ChannelStream stream, OperationReports reports, ScriptCoordinator? trusted, bool movesData)
    {
        (_stream, _reports, _trusted) = (stream, reports, trusted);
        Data = movesData ? new GuestData() : null;
        Stream = new InstallStream(stream);
    }

    /// <summary>For messages of the other half.</summary>
    public InstallStream Stream { get; }

    /// <summary>What it tells of the data that it moves; null: it moves none.</summary>
    public GuestData? Data { get; }

    /// <summary>How it ended, once it has. Faults with ChannelException if the appliance is lost or breaks the contract.</summary>
    public Task<ScriptEnded> End => _end.Task;

    /// <summary>Gives the appliance its scripts and lets the half begin.</summary>
    /// <exception cref="ChannelException">The appliance refuses it or is lost.</exception>
    public static async Task<UntrustedScript> StartAsync(
        Channel channel, InstallRunRequest request, IReadOnlyList<InstallScript> scripts, OperationReports reports, ScriptCoordinator? trusted, CancellationToken cancellationToken)
    {
        var stream = await channel.OpenStreamAsync(InstallMethods.Run, request, cancellationToken: cancellationToken).ConfigureAwait(false);
        var result = new UntrustedScript(stream, reports, trusted, request.DataDevices.Count > 0);
        // From the beginning: a refusal is told by the stream's end.
        result._reading = result.ReadAsync();
        try
        {
            foreach (var script in scripts)
            {
                await result.Stream.WriteAsync(InstallMessage.Script, script).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            }

            if (trusted is null)
            {
                await result.Stream.WriteAsync(InstallMessage.Ended, InstallWire.Ended(0, 0, "there is no half on the host")).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            }

            await result.Stream.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            return result;
        }
        catch (Exception e)
        {
            // Why the appliance refuses stands in the stream's end, not in the write that finds it ended.
            var refusal = e is ChannelException && await Task.WhenAny(result.End, Task.Delay(s_refusalWait, cancellationToken)).ConfigureAwait(false) == result.End ? result.End.Exception?.InnerException : null;
            await result.DisposeAsync().ConfigureAwait(false);
            if (refusal is not null)
            {
                throw refusal;
            }

            throw;
        }
    }

    /// <summary>Tells the appliance that nothing follows, and waits until it has brought everything to the disk.</summary>
    /// <exception cref="ChannelException">It could not.</exception>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        await Stream.CompleteAsync().AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
        await _reading.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends the stream, and with it the half if it still runs.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ = _end.Task.Exception;
        Stream.Dispose();
        _stopping.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            while (true)
            {
                using var message = await Stream.ReadAsync(_stopping.Token).ConfigureAwait(false);
                if (message.IsEnd)
                {
                    var early = new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "the appliance ended the operation without telling how its half has ended");
                    _end.TrySetException(early);
                    Data?.Fail(early);
                    return;
                }

                Dispatch((InstallMessage)message.Span[0], message.Span[1..]);
            }
        }
        catch (OperationCanceledException e)
        {
            _end.TrySetCanceled(e.CancellationToken);
            Data?.Fail(e);
            throw;
        }
        catch (ChannelException e)
        {
            _trusted?.EndPeer("the appliance is lost");
            _end.TrySetException(e);
            Data?.Fail(e);
            throw;
        }
    }

    private void Dispatch(InstallMessage kind, ReadOnlySpan<byte> untrusted)
    {
        switch (kind)
        {
            case InstallMessage.Output or InstallMessage.Error:
                _reports.Output(InstallParty.Untrusted, kind == InstallMessage.Error, untrusted);
                break;
            case InstallMessage.Progress:
                _reports.Progress(InstallParty.Untrusted, InstallWire.Parse(InstallProgress.Parser, untrusted));
                break;
            case InstallMessage.Log:
                _reports.Log(InstallParty.Untrusted, InstallWire.Parse(InstallLog.Parser, untrusted));
                break;
            case InstallMessage.Result:
                _reports.Result(InstallParty.Untrusted, untrusted);
                break;
            case InstallMessage.Message:
                _reports.Message(InstallParty.Untrusted, untrusted.Length);
                _trusted?.OnPeer(kind, untrusted);
                break;
            case InstallMessage.Barrier:
                _reports.Barrier(InstallParty.Untrusted, untrusted);
                _trusted?.OnPeer(kind, untrusted);
                break;
            case InstallMessage.Received:
                _trusted?.OnPeer(kind, untrusted);
                break;
            case InstallMessage.DataReady when Data is not null:
                Data.OnReady();
                break;
            case InstallMessage.DataSize when Data is not null:
                Data.OnSize(InstallWire.Parse(DataSize.Parser, untrusted));
                break;
            case InstallMessage.DataEnd when Data is not null:
                Data.OnEnd(InstallWire.Parse(DataEnd.Parser, untrusted));
                break;
            case InstallMessage.Ended:
                _trusted?.OnPeer(kind, untrusted);
                _end.TrySetResult(InstallWire.Parse(ScriptEnded.Parser, untrusted));
                break;
            default:
                throw InstallWire.Unexpected(kind);
        }
    }
}
