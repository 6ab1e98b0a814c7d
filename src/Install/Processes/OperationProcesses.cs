using System.Text;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Install.Processes;

/// <summary>The processes of an operation, wherever they have gone: each inherits a variable with the operation's name.</summary>
internal static class OperationProcesses
{
    /// <summary>The variable of scripts.</summary>
    public const string ScriptVariable = "CHANNELSDK_OPERATION";

    /// <summary>The variable of appliances, which go on when a script has ended.</summary>
    public const string ApplianceVariable = "CHANNELSDK_APPLIANCE";

    /// <summary>Numbers of the processes that run for an operation, scripts and appliance.</summary>
    public static IReadOnlyList<int> Find(string operation) => MarkedProcesses.Find(All(operation));

    /// <summary>Kills all of an operation, scripts and appliance.</summary>
    /// <returns>Whether none is left.</returns>
    public static bool Kill(string operation) => MarkedProcesses.Kill(All(operation));

    /// <summary>Kills the scripts of an operation, with all that they have started.</summary>
    /// <returns>Whether none is left.</returns>
    public static bool KillScripts(string operation) => MarkedProcesses.Kill([Mark(ScriptVariable, operation)]);

    private static byte[][] All(string operation) => [Mark(ScriptVariable, operation), Mark(ApplianceVariable, operation)];

    private static byte[] Mark(string variable, string operation) => Encoding.ASCII.GetBytes($"{variable}={operation}");
}
