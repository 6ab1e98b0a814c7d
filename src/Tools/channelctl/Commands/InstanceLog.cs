using ChannelSdk.Metadata.Http;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Commands;

/// <summary>
/// What serve prints of one instance. A guest decides how much it tells, so after a burst it is printed at a pace of lines a
/// second, each of a bounded length; what the bounded history dropped meanwhile is counted in its own line.
/// </summary>
internal sealed class InstanceLog(MetadataInstance instance, TextWriter output, TimeProvider time)
{
    internal const int Burst = 100;
    internal static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private const int MaxName = 64;
    private const int MaxLine = 256;

    /// <summary>Prints progress until the instance is detached.</summary>
    public async Task ShowProgressAsync(CancellationToken cancellationToken)
    {
        var (last, credit, since) = (0L, (double)Burst, time.GetTimestamp());
        await foreach (var step in instance.Progress.ReadAsync(0, cancellationToken))
        {
            if (step.Cursor > last + 1)
            {
                output.WriteLine($"{instance.Name}: {step.Cursor - last - 1} steps were not shown");
            }

            last = step.Cursor;
            var line = $"{SafeText.Escape(step.Origin, MaxName)} {SafeText.Escape(step.Name, MaxLine)}";
            output.WriteLine($"{instance.Name}: {SafeText.Escape(line, MaxLine)} {step.Phase} {step.Result}");
            (credit, since) = (Math.Min(Burst, credit + time.GetElapsedTime(since) / Pause) - 1, time.GetTimestamp());
            if (credit < 0)
            {
                await Task.Delay(Pause, time, cancellationToken);
            }
        }
    }

    /// <summary>Prints deliveries of secrets, which the host's own puttings bound.</summary>
    public async Task ShowDeliveriesAsync(CancellationToken cancellationToken)
    {
        await foreach (var delivery in instance.ReadSecretDeliveriesAsync(0, cancellationToken))
        {
            output.WriteLine($"{instance.Name}: secrets {SafeText.Escape(string.Join(' ', delivery.Parameters), MaxLine)} {delivery.Outcome}");
        }
    }
}
