using ChannelSdk.GuestAgent.Generation;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>Programs see the new generation.</summary>
internal sealed class GenerationStep(GenerationPage page) : RepairStep("generation")
{
    public override bool IsMandatory(RepairRun run) => true;

    public override StepEnd Do(RepairRun run)
    {
        page.Publish(run.Generation);
        run.Enter();
        return StepEnd.Done();
    }
}
