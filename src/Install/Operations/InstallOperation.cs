using ChannelSdk.Host;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;

namespace ChannelSdk.Install.Operations;

/// <summary>A running operation. It goes on without a watcher.</summary>
public sealed class InstallOperation
{
    private readonly CancellationTokenSource _cancel;

    internal InstallOperation(OperationPlan plan, InstallEventLog events, string logFile, CancellationTokenSource cancel, Task<InstallResult> completion)
    {
        (Id, Instance, Action) = (plan.Id, plan.Record.Name, plan.Request.Action);
        (Events, LogFile, _cancel, Completion) = (events, logFile, cancel, completion);
    }

    /// <summary>Its name: 32 hexadecimal digits.</summary>
    public string Id { get; }

    /// <summary>Name of the instance.</summary>
    public string Instance { get; }

    /// <summary>What is done.</summary>
    public InstallAction Action { get; }

    /// <summary>What happens; ends with a <see cref="ResultEvent"/>.</summary>
    public InstallEventLog Events { get; }

    /// <summary>Its log, which is kept.</summary>
    public string LogFile { get; }

    /// <summary>Its end. It never faults: what fails is in the result.</summary>
    public Task<InstallResult> Completion { get; }

    /// <summary>Ends it: the appliance is killed, the half on the host is ended, secrets are wiped. Nothing happens if it is over.</summary>
    public void Cancel()
    {
        try
        {
            _cancel.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It is over.
        }
    }
}
