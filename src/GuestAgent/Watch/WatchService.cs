using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Watch;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Watch;

/// <summary>info.Watch. It runs nothing without a watcher; each watcher waits on its own thread.</summary>
/// <param name="state">The agent's state word.</param>
internal sealed class WatchService(Func<StateWord> state) : IAgentService
{
    private const int MaxWatchers = 8;
    private const int UsualSettleMs = 200;
    private const int MaxSettleMs = 60_000;
    private int _watchers;

    /// <inheritdoc/>
    public void Register(ServiceGate gate) =>
        gate.Stream(WatchMethods.Watch, (request, stream, context) => WatchAsync(request, stream, context.CancellationToken));

    /// <summary>Tells of changes until the host ends the stream.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: a time above a minute. <see cref="ChannelError.TooManyStreams"/>: as many watch as may.</exception>
    public async ValueTask WatchAsync(WatchRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        if (request.SettleMs > MaxSettleMs)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"settle_ms is {request.SettleMs}; at most {MaxSettleMs} are allowed");
        }

        try
        {
            if (Interlocked.Increment(ref _watchers) > MaxWatchers)
            {
                throw new ChannelException(ChannelError.TooManyStreams, ErrorClass.Retry, $"{MaxWatchers} streams watch this guest; no more may");
            }

            await TellAsync(request.SettleMs == 0 ? UsualSettleMs : (int)request.SettleMs, stream, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _watchers);
        }
    }

    private async Task TellAsync(int settleMs, ChannelStream stream, CancellationToken cancellationToken)
    {
        using var source = new ChangeSource();
        // The host's end of the stream is not a cancel; nothing else comes from it.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var registration = ended.Token.UnsafeRegister(static source => ((ChangeSource)source!).Wake(), source);
        var end = WaitEndAsync(stream, ended);
        var told = new ToldState(state);
        for (var parts = ChangedFacts.All; parts != ChangedFacts.None; parts = await OwnThread.RunAsync(() => source.Wait(() => told.HasOtherState, settleMs)).ConfigureAwait(false))
        {
            if (await OwnThread.RunAsync(() => told.Next(parts)).ConfigureAwait(false) is { } change)
            {
                await stream.WriteAsync(change.ToByteArray(), cancellationToken).ConfigureAwait(false);
            }
        }

        await end.ConfigureAwait(false);
    }

    private static async Task WaitEndAsync(ChannelStream stream, CancellationTokenSource ended)
    {
        try
        {
            // An unexpected message is the end as well.
            using var message = await stream.ReadAsync(ended.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException)
        {
            // The session or the call has gone.
        }

        await ended.CancelAsync().ConfigureAwait(false);
    }
}
