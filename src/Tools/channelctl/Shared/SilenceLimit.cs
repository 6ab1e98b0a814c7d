using System.Globalization;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Shared;

/// <summary>Ends what stands still for too long: a guest may keep its link and never answer a stream.</summary>
internal static class SilenceLimit
{
    /// <summary>Runs an action that tells each time that it got on.</summary>
    /// <param name="limit">How long it may stand still; null: without limit.</param>
    /// <param name="action">Gets what it calls whenever it got on, from any thread.</param>
    /// <param name="cancellationToken">Ends it too.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.DeadlineExceeded"/>: it stood still.</exception>
    public static async Task<T> RunAsync<T>(TimeSpan? limit, Func<Action, CancellationToken, Task<T>> action, CancellationToken cancellationToken)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        void GotOn()
        {
            if (limit is { } time)
            {
                silence.CancelAfter(time);
            }
        }

        GotOn();
        try
        {
            return await action(GotOn, silence.Token);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && IsSilence(e, limit, silence))
        {
            throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun,
                string.Create(CultureInfo.InvariantCulture, $"the guest did nothing for {limit!.Value.TotalSeconds:0.###} s (--timeout); it may have done a part"), e);
        }
    }

    // A call within the action has the same time for its deadline, and whichever of the two ends first, it is the same limit.
    private static bool IsSilence(Exception e, TimeSpan? limit, CancellationTokenSource silence) => e switch
    {
        ChannelException { Code: ChannelError.DeadlineExceeded } => limit is not null,
        OperationCanceledException or ChannelException { Code: ChannelError.Cancelled } => silence.IsCancellationRequested,
        _ => false,
    };
}
