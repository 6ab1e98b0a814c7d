using System.Text;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>
/// Kills the processes of a script by the variable that they inherit, where there is no control group to kill them by, and
/// those that a killed agent has left.
/// </summary>
internal static class InstallProcesses
{
    /// <summary>Kills all processes whose half has its socket there.</summary>
    public static void Kill(string socket)
    {
        try
        {
            _ = MarkedProcesses.Kill([Encoding.UTF8.GetBytes($"{ScriptVariables.Socket}={socket}")]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without /proc there is the control group, or the program's own process group.
        }
    }
}
