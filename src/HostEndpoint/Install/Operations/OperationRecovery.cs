using System.Globalization;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.HostEndpoint.Launch;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>
/// Ends operations whose process is no more. The rule: none is resumed, as its secrets and the half on the host are gone with
/// the process; what it has left is removed, and its state is "interrupted".
/// </summary>
internal static class OperationRecovery
{
    /// <summary>Goes through all operations; returns those that were ended.</summary>
    public static IReadOnlyList<OperationJournal> Run(string operations, TimeProvider time)
    {
        var result = new List<OperationJournal>();
        foreach (var (folder, journal) in Installer.Journals(operations))
        {
            if (journal.Outcome is null && !journal.Owner.IsRunning)
            {
                result.Add(End(folder, journal, time));
            }
        }

        return result;
    }

    private static OperationJournal End(OperationFolder folder, OperationJournal journal, TimeProvider time)
    {
        var left = new List<string>();
        // Processes first: what they use could not be removed before.
        foreach (var trace in journal.Traces.OrderBy(t => t.Kind))
        {
            if (!TryRemove(trace))
            {
                left.Add($"{trace.Kind} {trace.Name}");
            }
        }

        if (!MarkedProcesses.Kill(journal.Operation))
        {
            left.Add("processes that do not end");
        }

        // Not before: an xl that was still at work could make it after its removal.
        foreach (var domain in journal.Traces.Where(t => t.Kind == LaunchTraceKind.Domain))
        {
            if (!TryDestroy(domain.Name))
            {
                left.Add($"{domain.Kind} {domain.Name}");
            }
        }

        foreach (var group in journal.Traces.Where(t => t.Kind == LaunchTraceKind.ControlGroup))
        {
            ControlGroupEnd.Remove(group.Name);
        }

        var reason = $"the process {journal.Owner.Id} that ran it went away; it was found at {time.GetUtcNow():u} and ended";
        try
        {
            folder.RemoveTransient();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            left.Add(FileFault.Describe(e));
        }

        var ended = journal with
        {
            Outcome = InstallOutcome.Interrupted,
            Reason = left.Count == 0 ? reason : $"{reason}; this could not be removed: {string.Join(", ", left)}",
            Ended = time.GetUtcNow(),
        };
        InstallEventFile.AppendEnd(folder, ended);
        ended.Write(folder.Journal);
        return ended;
    }

    private static bool TryDestroy(string domain)
    {
        try
        {
            return Task.Run(() => XlCommand.TryDestroyAsync(XlCommand.DefaultProgram, domain)).GetAwaiter().GetResult();
        }
        catch (ChannelException)
        {
            // No xl here.
            return false;
        }
    }

    private static bool TryRemove(LaunchTrace trace)
    {
        try
        {
            switch (trace.Kind)
            {
                case LaunchTraceKind.Process when int.TryParse(trace.Name, CultureInfo.InvariantCulture, out var id):
                    new ProcessIdentity(id, trace.StartTime).Kill();
                    break;
                case LaunchTraceKind.ControlGroup:
                    ExecCgroup.Kill(trace.Name);
                    break;
                case LaunchTraceKind.Network:
                    LinkLocalNetwork.Of(trace.Name).Remove();
                    break;
                case LaunchTraceKind.File:
                    File.Delete(trace.Name);
                    break;
            }

            return true;
        }
        catch (Exception e) when (e is ChannelException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
