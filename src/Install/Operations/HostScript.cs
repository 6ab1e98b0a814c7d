using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Install.Operations;

/// <summary>The scripts of an operation on the host, one at a time: started, their output reported, ended with all that they started.</summary>
internal sealed class HostScript(OperationPlan plan, InstallerOptions options, OperationFolder folder, OperationReports reports, Action<LaunchResource> onResource)
{
    private HostProcess? _process;

    /// <summary>Runs a script to its good end.</summary>
    /// <param name="open">Opens it, after it was checked.</param>
    /// <param name="arguments">What stands behind its name.</param>
    /// <param name="socket">Of its half; null: it has none.</param>
    /// <param name="failure">What an end that is not good means.</param>
    /// <param name="cancellationToken">Ends the wait; <see cref="EndAsync"/> ends the script.</param>
    /// <param name="data">The data of a disk that it writes or reads; null: none.</param>
    /// <exception cref="ChannelException">It cannot be started, or has failed.</exception>
    public async Task<ScriptEnded> RunAsync(Func<SourceFile> open, string[] arguments, string? socket, string failure, CancellationToken cancellationToken, HostData? data = null)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // Until it has ended: its interpreter opens it by our descriptor.
        using var script = open();
        var environment = plan.ToEnvironment(options.TrustedPath, folder.Work, socket, data?.Variables ?? []);
        var streams = new HostStreams(bytes => reports.Output(InstallParty.Trusted, isError: false, bytes.Span), bytes => reports.Output(InstallParty.Trusted, isError: true, bytes.Span));
        try
        {
            _process = HostProcess.Start(script, arguments, environment, plan.Definition.Folder, plan.Id, data is null ? streams : data.Join(streams));
        }
        finally
        {
            foreach (var variable in environment)
            {
                Array.Clear(variable);
            }
        }

        onResource(LaunchResource.Of(_process.Identity));
        if (_process.ControlGroup is { } group)
        {
            onResource(new LaunchResource(LaunchResourceKind.ControlGroup, group));
        }

        var end = await (data is null ? _process.End.WaitAsync(cancellationToken) : data.AttendAsync(_process, cancellationToken)).ConfigureAwait(false);
        var words = reports.EndOf(InstallParty.Trusted);
        await EndAsync().ConfigureAwait(false);
        return end is { Code: 0, Signal: 0, Reason: "" } ? end : throw ScriptFailure.Of(reports, failure, end, words, socket is null ? "" : ScriptFailure.HintOf(plan));
    }

    /// <summary>Ends the script that runs, and all that it started, within a bound.</summary>
    public async Task EndAsync()
    {
        if (Interlocked.Exchange(ref _process, null) is { } process)
        {
            await BoundedEnd.OfAsync(process.DisposeAsync()).ConfigureAwait(false);
        }
    }
}
