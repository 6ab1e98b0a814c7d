using ChannelSdk.Install.Events;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Operations;

/// <summary>Takes what the half on the host sends and reports: to the other half, and into the operation's reports.</summary>
/// <param name="reports">The reports.</param>
internal sealed class TrustedSink(OperationReports reports) : IScriptSink
{
    /// <summary>The other half; null as long as it has not begun, and if there is none.</summary>
    public InstallStream? Other { get; set; }

    public async ValueTask SendAsync(InstallMessage kind, ReadOnlyMemory<byte> content)
    {
        switch (kind)
        {
            case InstallMessage.Message:
                reports.Message(InstallParty.Trusted, content.Length);
                break;
            case InstallMessage.Barrier:
                reports.Barrier(InstallParty.Trusted, content.Span);
                break;
        }

        if (Other is { } other)
        {
            await other.WriteAsync(kind, content).ConfigureAwait(false);
        }
    }

    public ValueTask ProgressAsync(InstallProgress progress)
    {
        reports.Progress(InstallParty.Trusted, progress);
        return ValueTask.CompletedTask;
    }

    public ValueTask LogAsync(InstallLog line)
    {
        reports.Log(InstallParty.Trusted, line);
        return ValueTask.CompletedTask;
    }

    public ValueTask ResultAsync(ReadOnlyMemory<byte> result)
    {
        reports.Result(InstallParty.Trusted, result.Span);
        return ValueTask.CompletedTask;
    }
}
