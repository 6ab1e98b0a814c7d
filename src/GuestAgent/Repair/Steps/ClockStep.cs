using System.Globalization;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>The wall clock, which stands where it was in the snapshot.</summary>
internal sealed class ClockStep() : RepairStep("clock")
{
    private const long Near = 1_000_000;

    public override StepEnd Do(RepairRun run)
    {
        if (run.Request.UnixNs == 0)
        {
            return StepEnd.Skipped("the host gave no time");
        }
        // As it was when the request was read; steps before this one took their time.
        var now = run.Request.UnixNs + (long)run.Elapsed.TotalNanoseconds;
        var off = now - (run.Platform.Now - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
        if (off is > -Near and < Near)
        {
            return StepEnd.Skipped("the clock is right");
        }

        var error = run.Platform.SetClock(now);
        return error == 0 ? StepEnd.Done(string.Create(CultureInfo.InvariantCulture, $"moved by {off / Near} ms"))
            : StepEnd.Failed($"the kernel refuses to set the clock: {Errno.Describe(error)}; the agent needs CAP_SYS_TIME");
    }
}
