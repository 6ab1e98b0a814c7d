using System.CommandLine;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Shared;

/// <summary>What the commands around installs share: the folder with records and operations, and errors as one line.</summary>
internal static class StateOption
{
    public static Option<string> Create() => Folder("--state", "Folder of the instances' records and operations", "/var/lib/channelsdk");

    /// <summary>A folder with a default.</summary>
    public static Option<string> Folder(string name, string description, string usual)
    {
        var option = ToolOptions.Path(name, description);
        option.DefaultValueFactory = _ => usual;
        return option;
    }

    public static InstanceRecordStore Records(string folder) => new(Path.Combine(folder, "records"));

    /// <summary>Runs an action; turns every error into one line and an exit code.</summary>
    public static async Task<int> RunAsync(Func<Task<int>> action)
    {
        try
        {
            return await action();
        }
        catch (Exception e)
        {
            return Failure.Tell(e);
        }
    }

    /// <summary>NAME=VALUE.</summary>
    public static (string Name, string Value) Pair(string text, string option) => text.Split('=', 2) is [{ Length: > 0 } name, var value]
        ? (name, value)
        : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{option} takes NAME=..., not '{SafeText.Escape(text, 64)}'");
}
