using System.Text;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Install.Processes;

/// <summary>
/// The processes of an operation, wherever they have gone: each inherits a variable with the operation's name. What is read
/// of an environment may be a secret, so it is read into memory that is wiped.
/// </summary>
internal static class OperationProcesses
{
    /// <summary>The variable of scripts.</summary>
    public const string ScriptVariable = "CHANNELSDK_OPERATION";

    /// <summary>The variable of appliances, which go on when a script has ended.</summary>
    public const string ApplianceVariable = "CHANNELSDK_APPLIANCE";

    /// <summary>Numbers of the processes that run for an operation, scripts and appliance.</summary>
    public static IReadOnlyList<int> Find(string operation)
    {
        using var memory = SecretValue.OfLength(SecretValue.MaxBytes);
        return [.. MarkedProcesses.Find(Mark(ScriptVariable, operation), memory.Memory), .. MarkedProcesses.Find(Mark(ApplianceVariable, operation), memory.Memory)];
    }

    /// <summary>Kills all of an operation, scripts and appliance.</summary>
    /// <returns>Whether none is left.</returns>
    public static bool Kill(string operation) => KillAll(Mark(ScriptVariable, operation), Mark(ApplianceVariable, operation));

    /// <summary>Kills the scripts of an operation, with all that they have started.</summary>
    /// <returns>Whether none is left.</returns>
    public static bool KillScripts(string operation) => KillAll(Mark(ScriptVariable, operation));

    private static bool KillAll(params byte[][] marks)
    {
        using var memory = SecretValue.OfLength(SecretValue.MaxBytes);
        return MarkedProcesses.Kill(marks, memory.Memory);
    }

    private static byte[] Mark(string variable, string operation) => Encoding.ASCII.GetBytes($"{variable}={operation}");
}
