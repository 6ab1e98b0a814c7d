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
    public static bool Kill(string operation) => Kill(() => Find(operation));

    /// <summary>Kills the scripts of an operation, with all that they have started.</summary>
    /// <returns>Whether none is left.</returns>
    public static bool KillScripts(string operation) => Kill(() => FindMarked(ScriptVariable, operation));

    private static List<int> FindMarked(string variable, string operation)
    {
        var mark = Encoding.ASCII.GetBytes($"{variable}={operation}");
        using var memory = SecretValue.OfLength(SecretValue.MaxBytes);
        var result = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) && id != Environment.ProcessId && HasMark($"{folder}/environ", mark, memory.GetSpan()))
            {
                result.Add(id);
            }
        }

        return result;
    }

    // One that is starting another is met again in the next pass.
    private static bool Kill(Func<IReadOnlyList<int>> find)
    {
        for (var pass = 0; pass < MaxPasses; pass++)
        {
            var found = find();
            if (found.Count == 0)
            {
                return true;
            }

            foreach (var id in found)
            {
                _ = Libc.Kill(id, Libc.SigKill);
            }

            Thread.Sleep(Pause);
        }

        return false;
    }

    private static bool HasMark(string file, ReadOnlySpan<byte> mark, Span<byte> memory)
    {
        try
        {
            using var environment = File.OpenHandle(file);
            var kept = 0;
            for (long offset = 0; RandomAccess.Read(environment, memory[kept..], offset) is > 0 and var count; offset += count)
            {
                var seen = memory[..(kept + count)];
                if (seen.IndexOf(mark) >= 0)
                {
                    return true;
                }

                // The mark may lie across two pieces.
                kept = Math.Min(mark.Length, seen.Length);
                seen[^kept..].CopyTo(memory);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended, or is somebody else's.
        }

        return false;
    }
}
