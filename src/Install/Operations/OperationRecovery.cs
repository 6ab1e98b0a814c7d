using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Processes;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.Install.Operations;

/// <summary>
/// Ends operations whose process is no more. The rule: none is resumed, as its secrets and the half on the host are gone with
/// the process; what it has left is removed, and its state is "interrupted".
/// </summary>
internal static class OperationRecovery
{
    /// <summary>Goes through all operations; returns those that were ended.</summary>
    /// <param name="operations">Their folder.</param>
    /// <param name="launcher">Removes what only its hypervisor can remove; null without one.</param>
    /// <param name="time">The clock.</param>
    public static IReadOnlyList<OperationJournal> Run(string operations, IInstanceLauncher? launcher, TimeProvider time)
    {
        var result = new List<OperationJournal>();
        foreach (var (folder, journal) in Installer.Journals(operations))
        {
            if (journal.Outcome is null && !journal.Owner.IsRunning)
            {
                result.Add(End(folder, journal, launcher, time));
            }
        }

        return result;
    }

    private static OperationJournal End(OperationFolder folder, OperationJournal journal, IInstanceLauncher? launcher, TimeProvider time)
    {
        var left = new List<string>();
        // Processes first: what they use could not be removed before.
        foreach (var resource in journal.Resources.OrderBy(t => t.Kind))
        {
            if (!TryRemove(resource))
            {
                left.Add($"{resource.Kind} {resource.Name}");
            }
        }

        if (!OperationProcesses.Kill(journal.Operation))
        {
            left.Add("processes that do not end");
        }

        // Not before: an xl that was still at work could make it after its removal.
        foreach (var domain in journal.Resources.Where(t => t.Kind == LaunchResourceKind.Domain))
        {
            if (!TryRemove(domain, launcher))
            {
                left.Add($"{domain.Kind} {domain.Name}");
            }
        }

        foreach (var group in journal.Resources.Where(t => t.Kind == LaunchResourceKind.ControlGroup))
        {
            Cgroup.End(group.Name);
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

    private static bool TryRemove(LaunchResource domain, IInstanceLauncher? launcher)
    {
        try
        {
            return launcher is not null && Task.Run(() => launcher.RemoveAsync(domain)).GetAwaiter().GetResult();
        }
        catch (Exception)
        {
            // Even if a launcher throws, the operation is ended, and says what is left.
            return false;
        }
    }

    private static bool TryRemove(LaunchResource resource)
    {
        try
        {
            switch (resource.Kind)
            {
                case LaunchResourceKind.Process when int.TryParse(resource.Name, CultureInfo.InvariantCulture, out var id):
                    new ProcessIdentity(id, resource.StartTime).Kill();
                    break;
                case LaunchResourceKind.ControlGroup:
                    Cgroup.Kill(resource.Name);
                    break;
                case LaunchResourceKind.Network:
                    LinkLocalNetwork.Of(resource.Name).Remove();
                    break;
                case LaunchResourceKind.File:
                    File.Delete(resource.Name);
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
