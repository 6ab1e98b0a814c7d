using System.Globalization;
using ChannelSdk.Protocol;

namespace ChannelSdk.Tool;

/// <summary>Ends what stands still for too long: a guest may keep its link and never answer a stream.</summary>
internal static class SilenceLimit
{
    /// <summary>Runs an action that tells each time that it got on.</summary>
    /// <param name="limit">How long it may stand still; null: for ever.</param>
    /// <param name="action">Gets what it calls whenever it got on, from any thread.</param>
    /// <param name="cancellationToken">Ends it too.</param>
    /// <exception cref="ChannelException">DeadlineExceeded: it stood still.</exception>
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
        catch (Exception e) when (silence.IsCancellationRequested && !cancellationToken.IsCancellationRequested && (e is OperationCanceledException or ChannelException { Code: ChannelError.Cancelled }))
        {
            throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun,
                string.Create(CultureInfo.InvariantCulture, $"the guest did nothing for {limit!.Value.TotalSeconds:0.###} s (--timeout); it may have done a part"), e);
        }
    }
}
