using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.Install.Operations;

/// <summary>The streams between the halves, on the host: an install.Pipe for each tool of the half here, which the appliance joins with one of its own.</summary>
/// <param name="operation">Name of the operation.</param>
/// <param name="coordinator">Tells the end of the other half.</param>
/// <param name="reports">Are told what was moved.</param>
internal sealed class HostPipes(string operation, ScriptCoordinator coordinator, OperationReports reports) : IScriptPipes
{
    // An agent serves four streams of this class at a time, and the data of disks and the package are two.
    private const int MostAtATime = 2;
    private int _open;

    /// <summary>The channel to the appliance; null as long as its half has not begun, and if there is none.</summary>
    public Channel? Channel { get; set; }

    /// <inheritdoc/>
    public async Task MoveAsync(ScriptPipeRequest request, ChannelStream tool, CancellationToken cancellationToken)
    {
        try
        {
            if (Interlocked.Increment(ref _open) > MostAtATime)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"the half on the host has at most {MostAtATime} streams at a time");
            }

            var appliance = await OpenAsync(request, cancellationToken).ConfigureAwait(false);
            await using (appliance.ConfigureAwait(false))
            {
                await ScriptPipe.JoinAsync(tool, cancellationToken).ConfigureAwait(false);
                var bytes = await (request.IsWriter ? ScriptPipe.MoveAsync(tool, appliance, cancellationToken) : ScriptPipe.MoveAsync(appliance, tool, cancellationToken)).ConfigureAwait(false);
                reports.Note(InstallLogLevel.Info, $"the stream {request.Name} {(request.IsWriter ? "to" : "from")} the appliance had {bytes} bytes");
            }
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    /// <summary>Opens it, and waits until a tool of the other half has come.</summary>
    private async Task<ChannelStream> OpenAsync(ScriptPipeRequest request, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var ended = coordinator.WatchPeerAsync(stop.Token);
        // Where there is no other half, there is no channel.
        var opening = ended.IsCompleted ? Task.FromException<ChannelStream>(new InvalidOperationException()) : JoinAsync(Channel!, request, stop.Token);
        await Task.WhenAny(ended, opening).ConfigureAwait(false);
        var isEnded = ended.IsCompleted;
        await stop.CancelAsync().ConfigureAwait(false);
        if (isEnded)
        {
            await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (opening.IsCompletedSuccessfully)
            {
                await (await opening.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            }

            await ended.ConfigureAwait(false);
        }

        await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await opening.ConfigureAwait(false);
    }

    private async Task<ChannelStream> JoinAsync(Channel channel, ScriptPipeRequest request, CancellationToken cancellationToken)
    {
        var asked = new PipeRequest { Operation = ByteString.CopyFrom(Convert.FromHexString(operation)), IsToGuest = request.IsWriter, Name = request.Name };
        var stream = await channel.OpenStreamAsync(InstallMethods.Pipe, asked, new CallOptions(AnswerWithin: ScriptServer.Timeout(request.TimeoutMs)), cancellationToken).ConfigureAwait(false);
        try
        {
            await ScriptPipe.WaitJoinedAsync(stream, cancellationToken).ConfigureAwait(false);
            return stream;
        }
        catch (ChannelException e) when (e.Code == ChannelError.NotFound)
        {
            // The operation is over there.
            await stream.DisposeAsync().ConfigureAwait(false);
            throw new ChannelException(ChannelError.PeerEnded, ErrorClass.Refused, "the half in the appliance has ended", e);
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
