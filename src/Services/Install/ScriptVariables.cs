namespace ChannelSdk.Services.Install;

/// <summary>The environment variables that the script of a half finds.</summary>
public static class ScriptVariables
{
    /// <summary>Path of the socket on which its side listens to it.</summary>
    public const string Socket = "CHANNELSDK_HALF";

    /// <summary>create, export, import or rename.</summary>
    public const string Action = "CHANNELSDK_ACTION";

    /// <summary>Name of the instance.</summary>
    public const string Instance = "CHANNELSDK_INSTANCE";

    /// <summary>In the appliance: the folder where the installed system's root is to be left mounted.</summary>
    public const string Target = "CHANNELSDK_TARGET";

    /// <summary>Begins the names of the parameters' variables.</summary>
    public const string ParameterPrefix = "OSP_";

    /// <summary>The variable of a parameter: OSP_ and the name in capital letters.</summary>
    /// <param name="parameter">A checked name (<see cref="InstallNames.IsParameter"/>).</param>
    public static string OfParameter(string parameter) => ParameterPrefix + parameter.ToUpperInvariant();
}
