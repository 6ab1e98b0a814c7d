using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.GuestAgent.Repair.Steps;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Repair;

/// <summary>
/// The order of a repair. Keys come behind the random numbers that they are made of, names behind the generation that they may be
/// derived from, DHCP behind the addresses and the machine-id that it tells, hooks last, as they may use all of it.
/// </summary>
internal static class RepairSteps
{
    /// <summary>The steps of a repair.</summary>
    /// <param name="run">The repair.</param>
    /// <param name="page">Where programs see the generation.</param>
    /// <param name="hooks">The hooks.</param>
    public static IEnumerable<RepairStep> Of(RepairRun run, GenerationPage page, HookFolder hooks)
    {
        yield return new RandomStep();
        yield return new ClockStep();
        yield return new GenerationStep(page);
        if (run.Request.Origin == SnapshotOrigin.Cloned)
        {
            yield return new MachineIdStep();
            yield return new HostNameStep();
            yield return new HostKeyStep();
            yield return new AddressStep();
            yield return new DhcpStep();
        }

        yield return new SeedStep();
        if (run.Request.Origin == SnapshotOrigin.Cloned)
        {
            yield return new CloudInitStep();
        }

        foreach (var hook in HookStep.Of(hooks))
        {
            yield return hook;
        }
    }
}
