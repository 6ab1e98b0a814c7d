using ChannelSdk.GuestAgent.Platform.Network;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>The hardware addresses of network interfaces, as the host has given them to the devices of the clone.</summary>
internal sealed class AddressStep() : RepairStep("addresses")
{
    public override bool IsMandatory(RepairRun run) => run.Identity.Addresses.Count > 0;

    public override StepEnd Do(RepairRun run)
    {
        if (run.Identity.Addresses.Count == 0)
        {
            return StepEnd.Skipped("the host gave no addresses");
        }

        List<string> wrong = [];
        foreach (var change in run.Identity.Addresses)
        {
            if (run.Platform.FindInterface(change.Present.Span) is { } index)
            {
                if (run.Platform.SetAddress(index, change.Next.Span) is var error and not 0)
                {
                    wrong.Add($"{LinkAddress.Text(change.Present.Span)}: {Errno.Describe(error)}");
                }
            }
            else if (run.Platform.FindInterface(change.Next.Span) is null)
            {
                wrong.Add($"no interface has {LinkAddress.Text(change.Present.Span)}");
            }
        }

        return wrong.Count == 0 ? StepEnd.Done() : StepEnd.Failed(string.Join("; ", wrong));
    }
}
