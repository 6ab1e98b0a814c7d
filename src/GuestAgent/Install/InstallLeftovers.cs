using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>Removes what operations leave: processes, mounts, folders; those of an agent that was killed too.</summary>
/// <param name="runFolder">Where the operations' folders are.</param>
/// <param name="target">Where systems are installed.</param>
/// <param name="log">What could not be removed is told there.</param>
internal sealed class InstallLeftovers(string runFolder, string target, AgentLog log)
{
    /// <summary>Removes everything. There is no operation while it runs.</summary>
    /// <returns>Null, or why what was written to the target may not be on its disk.</returns>
    public async Task<string?> RemoveAsync()
    {
        string? failure = null;
        try
        {
            var folders = Directory.Exists(runFolder) ? Directory.GetDirectories(runFolder, InstallFolder.Prefix + "*") : [];
            foreach (var folder in folders)
            {
                InstallProcesses.Kill(InstallFolder.SocketIn(folder));
            }

            failure = InstallMounts.UnmountAll(target);
            // The target too may hold something: a script need not have mounted anything there.
            foreach (var folder in (string[])[.. folders, target])
            {
                // A mounted file system must not be emptied.
                if (InstallMounts.UnmountAll(folder) is not null || await ChildProcess.RunAsync("/bin/rm", "-rf", folder).ConfigureAwait(false) != 0)
                {
                    log.Warning($"{folder} could not be removed");
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ChannelException)
        {
            log.Warning($"what the operation left could not be removed: {e.Message}");
        }

        return failure;
    }
}
