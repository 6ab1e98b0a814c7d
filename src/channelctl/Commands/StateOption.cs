using System.CommandLine;
using ChannelSdk.HostEndpoint;
using ChannelSdk.HostEndpoint.Install;
using ChannelSdk.Protocol;

namespace ChannelSdk.Tool.Commands;

/// <summary>What the commands around installs share: the folder with records and operations, and errors as one line.</summary>
internal static class StateOption
{
    public static Option<string> Create() => new("--state") { Description = "Folder of the instances' records and operations", DefaultValueFactory = _ => "/var/lib/channelsdk" };

    public static InstanceRecordStore Records(string folder) => new(Path.Combine(folder, "records"));

    /// <summary>Runs an action; turns every error into one line and an exit code.</summary>
    public static async Task<int> RunAsync(Func<Task<int>> action)
    {
        try
        {
            return await action();
        }
        catch (ChannelException e)
        {
            Console.Error.WriteLine($"channelctl: {GuestText.Escape(e.Message)} ({e.Code}, {e.Class})");
            return ExitCode.Of(e);
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Stopped;
        }
    }

    /// <summary>NAME=VALUE.</summary>
    public static (string Name, string Value) Pair(string text, string option) => text.Split('=', 2) is [{ Length: > 0 } name, var value]
        ? (name, value)
        : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{option} takes NAME=..., not '{GuestText.Escape(text, 64)}'");
}
