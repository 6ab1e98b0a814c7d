using ChannelSdk.Host.Launch;

namespace ChannelSdk.Hypervisors;

/// <summary>The end of a machine, which any process may wait for: it is not this one's child.</summary>
internal static class MachineEnd
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until a machine has ended, or for as long as is allowed; never throws.</summary>
    /// <returns>Whether it has ended.</returns>
    public static async Task<bool> WaitAsync(RunningMachine machine, CancellationToken cancellationToken)
    {
        while (machine.IsRunning && !cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(s_look, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return !machine.IsRunning;
    }
}
