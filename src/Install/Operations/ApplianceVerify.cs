using ChannelSdk.Install.Events;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Operations;

/// <summary>The verify of a confined definition, which checks the parameters in the appliance before the script of the action begins there.</summary>
internal static class ApplianceVerify
{
    /// <summary>Runs it to its good end.</summary>
    /// <exception cref="ChannelException">It refuses the parameters, cannot be started, or the appliance has ended.</exception>
    public static async Task RunAsync(OperationPlan plan, OperationAppliance appliance, OperationReports reports, CancellationToken cancellationToken)
    {
        var request = plan.ToVerifyRequest(appliance.DiskDevices, appliance.HasProxy);
        var script = await UntrustedScript.StartAsync(appliance.Channel, request, plan.Scripts!, reports, trusted: null, cancellationToken).ConfigureAwait(false);
        await using (script.ConfigureAwait(false))
        {
            await appliance.AttendAsync(script, AttendAsync, onEnded: null, cancellationToken).ConfigureAwait(false);
        }

        async Task AttendAsync(CancellationToken token)
        {
            var end = await script.End.WaitAsync(token).ConfigureAwait(false);
            if (end is not { Code: 0, Signal: 0, Reason: "" })
            {
                throw await appliance.FailedAsync(OperationRun.VerifyFailure, end, "").ConfigureAwait(false);
            }

            reports.EndOf(InstallParty.Untrusted);
            // The appliance serves one script at a time, and this one until it is told so.
            await script.FinishAsync(token).ConfigureAwait(false);
        }
    }
}
