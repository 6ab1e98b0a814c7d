using ChannelSdk.Host.Connection;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Host.Files;

/// <summary>Runs a copy again from where it was when its session is lost. A lost link alone is no matter of a copy's.</summary>
/// <param name="connection">The way to the agent.</param>
/// <param name="resumeTimeout">How long to wait for its agent.</param>
internal sealed class CopyAttempts(AgentConnection connection, TimeSpan resumeTimeout)
{
    // So many attempts without a byte of progress: the agent dies of this very copy, or something of the kind.
    private const int MaxInVain = 8;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    /// <summary>How often the copy went on.</summary>
    public int Resumes { get; private set; }

    /// <summary>Runs attempts until one ends well or fails for good.</summary>
    /// <param name="attempt">One stream from its opening to its end.</param>
    /// <param name="position">How far the copy has come.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task RunAsync(Func<Task> attempt, Func<long> position, CancellationToken cancellationToken)
    {
        var inVain = 0;
        long last = 0;
        while (true)
        {
            try
            {
                await attempt().ConfigureAwait(false);
                return;
            }
            catch (ChannelException e) when (IsLoss(e) || (Resumes > 0 && e.Class == ErrorClass.Retry))
            {
                inVain = position() > last ? 0 : inVain + 1;
                last = Math.Max(last, position());
                if (inVain > MaxInVain)
                {
                    throw;
                }

                Resumes++;
                if (!IsLoss(e))
                {
                    await Task.Delay(s_pause * inVain, connection.Time, cancellationToken).ConfigureAwait(false);
                }
            }

            await WaitReadyAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool IsLoss(ChannelException e) => e.Code is ChannelError.SessionLost or ChannelError.SessionClosed;

    private async Task WaitReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            await connection.Channel.WaitReadyAsync(cancellationToken).AsTask().WaitAsync(resumeTimeout, connection.Time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new ChannelException(ChannelError.SessionLost, ErrorClass.MayHaveRun,
                $"the session was lost and the guest's agent did not come back within {resumeTimeout.TotalSeconds:0.#} s");
        }
    }
}
