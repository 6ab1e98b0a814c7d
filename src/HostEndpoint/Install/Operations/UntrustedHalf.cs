using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using ChannelSdk.Runtime.Halves;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>The half in the appliance, as the host sees it: what it says goes to the reports and to the other half.</summary>
internal sealed class UntrustedHalf : IAsyncDisposable
{
    private static readonly TimeSpan RefusalWait = TimeSpan.FromSeconds(1);
    private readonly ChannelStream _stream;
    private readonly OperationReports _reports;
    private readonly ScriptHalf? _trusted;
    private readonly TaskCompletionSource<HalfEnded> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stopping = new();
    private Task _reading = Task.CompletedTask;

    private UntrustedHalf(ChannelStream stream, OperationReports reports, ScriptHalf? trusted)
    {
        (_stream, _reports, _trusted) = (stream, reports, trusted);
        Stream = new HalfStream(stream);
    }

    /// <summary>For the words of the other half.</summary>
    public HalfStream Stream { get; }

    /// <summary>How it ended, once it has. Faults with ChannelException if the appliance is lost or breaks the contract.</summary>
    public Task<HalfEnded> End => _end.Task;

    /// <summary>Gives the appliance its scripts and lets the half begin.</summary>
    /// <exception cref="ChannelException">The appliance refuses it or is lost.</exception>
    public static async Task<UntrustedHalf> StartAsync(
        Channel channel, InstallRunRequest request, IReadOnlyList<InstallScript> scripts, OperationReports reports, ScriptHalf? trusted, CancellationToken cancellationToken)
    {
        var stream = await channel.OpenStreamAsync(ServiceMethods.InstallRun, request, cancellationToken: cancellationToken).ConfigureAwait(false);
        var half = new UntrustedHalf(stream, reports, trusted);
        // From the beginning: a refusal is told by the stream's end.
        half._reading = half.ReadAsync();
        try
        {
            foreach (var script in scripts)
            {
                await half.Stream.WriteAsync(InstallMessage.Script, script).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            }

            if (trusted is null)
            {
                await half.Stream.WriteAsync(InstallMessage.Ended, HalfWire.Ended(0, 0, "there is no half on the host")).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            }

            await half.Stream.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            return half;
        }
        catch (Exception e)
        {
            // Why the appliance refuses stands in the stream's end, not in the write that finds it ended.
            var refusal = e is ChannelException && await Task.WhenAny(half.End, Task.Delay(RefusalWait, cancellationToken)).ConfigureAwait(false) == half.End ? half.End.Exception?.InnerException : null;
            await half.DisposeAsync().ConfigureAwait(false);
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
                    _end.TrySetException(new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "the appliance ended the operation without telling how its half has ended"));
                    return;
                }

                Take((InstallMessage)message.Span[0], message.Span[1..]);
            }
        }
        catch (OperationCanceledException e)
        {
            _end.TrySetCanceled(e.CancellationToken);
            throw;
        }
        catch (ChannelException e)
        {
            _trusted?.EndPeer("the appliance is lost");
            _end.TrySetException(e);
            throw;
        }
    }

    private void Take(InstallMessage kind, ReadOnlySpan<byte> untrusted)
    {
        switch (kind)
        {
            case InstallMessage.Output or InstallMessage.Error:
                _reports.Output(InstallParty.Untrusted, kind == InstallMessage.Error, untrusted);
                break;
            case InstallMessage.Progress:
                _reports.Progress(InstallParty.Untrusted, HalfWire.Parse(InstallProgress.Parser, untrusted));
                break;
            case InstallMessage.Log:
                _reports.Log(InstallParty.Untrusted, HalfWire.Parse(InstallLog.Parser, untrusted));
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
            case InstallMessage.Taken:
                _trusted?.OnPeer(kind, untrusted);
                break;
            case InstallMessage.Ended:
                _trusted?.OnPeer(kind, untrusted);
                _end.TrySetResult(HalfWire.Parse(HalfEnded.Parser, untrusted));
                break;
            default:
                throw HalfWire.Unexpected(kind);
        }
    }
}
