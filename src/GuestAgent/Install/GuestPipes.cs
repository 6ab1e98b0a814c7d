using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>The streams between the halves, in the appliance: a tool of the script waits until the host opens install.Pipe for one of its own, or the host until the tool comes.</summary>
/// <param name="coordinator">Leads them together.</param>
internal sealed class GuestPipes(ScriptCoordinator coordinator) : IScriptPipes
{
    /// <inheritdoc/>
    public async Task MoveAsync(ScriptPipeRequest request, ChannelStream tool, CancellationToken cancellationToken)
    {
        var end = new ScriptPipeEnd(request.Name, request.IsWriter, tool);
        await coordinator.OfferAsync(end, ScriptServer.Timeout(request.TimeoutMs), cancellationToken).ConfigureAwait(false);
        await end.Moved.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Joins a stream of the host's with the tool that it is for.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.PeerEnded"/>: the script has ended, and none will come; else why it was not moved.</exception>
    public async Task ServeAsync(PipeRequest request, ChannelStream host, CancellationToken cancellationToken)
    {
        var end = await TakeAsync(request, cancellationToken).ConfigureAwait(false);
        try
        {
            await ScriptPipe.JoinAsync(end.Tool, cancellationToken).ConfigureAwait(false);
            await ScriptPipe.JoinAsync(host, cancellationToken).ConfigureAwait(false);
            await (end.IsWriter ? ScriptPipe.MoveAsync(end.Tool, host, cancellationToken) : ScriptPipe.MoveAsync(host, end.Tool, cancellationToken)).ConfigureAwait(false);
            end.Finish();
        }
        catch (Exception e)
        {
            end.Fail(e as ChannelException ?? new ChannelException(ChannelError.TransportFailed, ErrorClass.MayHaveRun, "the other half gave up the stream"));
            throw;
        }
    }

    private async Task<ScriptPipeEnd> TakeAsync(PipeRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await coordinator.TakeAsync(request.Name, isWriter: !request.IsToGuest, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException e) when (e.Code == ChannelError.FailedPrecondition)
        {
            throw new ChannelException(ChannelError.PeerEnded, ErrorClass.Refused, $"the half in the appliance has ended: {e.Message}", e);
        }
    }
}
