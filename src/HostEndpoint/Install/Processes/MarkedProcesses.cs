using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Platform.Linux;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>
/// The processes of an operation, wherever they have gone: each inherits a variable with the operation's name. What is read
/// of an environment may be a secret, so it is read into memory that is wiped.
/// </summary>
internal static class MarkedProcesses
{
    /// <summary>The variable of scripts.</summary>
    public const string ScriptVariable = "CHANNELSDK_OPERATION";

    /// <summary>The variable of appliances, which go on when a script has ended.</summary>
    public const string ApplianceVariable = "CHANNELSDK_APPLIANCE";

    private const int MaxPasses = 100;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    /// <summary>Numbers of the processes that run for an operation, scripts and appliance.</summary>
    public static IReadOnlyList<int> Find(string operation) => [.. FindMarked(ScriptVariable, operation), .. FindMarked(ApplianceVariable, operation)];

    /// <summary>Kills all of an operation, scripts and appliance.</summary>
    /// <returns>Whether none is left.</returns>
    public static bool Kill(string operation) => KillAll(operation, ScriptVariable, ApplianceVariable);

    /// <summary>Kills the scripts of an operation, with all that they have started.</summary>
    /// <returns>Whether none is left.</returns>
    public static bool KillScripts(string operation) => KillAll(operation, ScriptVariable);

    private static List<int> FindMarked(string variable, string operation)
    {
        var mark = Mark(variable, operation);
        using var memory = SecretValue.OfLength(SecretValue.MaxBytes);
        return [.. Others().Where(process => ProcessMark.IsOn(process.Folder, mark, memory.GetSpan()) == true).Select(process => process.Id)];
    }

    // One that is starting another is met again in the next pass.
    private static bool KillAll(string operation, params string[] variables)
    {
        var marks = Array.ConvertAll(variables, variable => Mark(variable, operation));
        using var memory = SecretValue.OfLength(SecretValue.MaxBytes);
        for (var pass = 0; pass < MaxPasses; pass++)
        {
            var hasFound = false;
            foreach (var (id, folder) in Others())
            {
                var isMeant = false;
                _ = ProcessMark.Kill(id, () => isMeant = marks.Any(mark => ProcessMark.IsOn(folder, mark, memory.GetSpan()) == true));
                hasFound |= isMeant;
            }

            if (!hasFound)
            {
                return true;
            }

            Thread.Sleep(Pause);
        }

        return false;
    }

    private static byte[] Mark(string variable, string operation) => Encoding.ASCII.GetBytes($"{variable}={operation}");

    private static IEnumerable<(int Id, string Folder)> Others()
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) && id != Environment.ProcessId)
            {
                yield return (id, folder);
            }
        }
    }
}
