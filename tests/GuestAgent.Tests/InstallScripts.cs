using System.Diagnostics;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Scripts of an installation, and waits for what they do.</summary>
internal static class InstallScripts
{
    internal const string MountTarget = "mount -t tmpfs -o size=16m t \"$CHANNELSDK_TARGET\"";

    /// <summary>A script that tells its socket and goes on when it is told so.</summary>
    internal static async Task<InstallDriver> Waiting(AgentRig rig, Action<InstallRunRequest>? change = null, string script = "")
    {
        await ChildRunAsync("mkfifo", $"{rig.Guest}/go");
        return await InstallDriver.StartAsync(rig.Instance.Channel, $"{script}\necho \"$CHANNELSDK_HALF\"; cat '{rig.Guest}/go'\n", change);
    }

    internal static async Task<string> SocketOf(InstallDriver driver)
    {
        while (!driver.Output.ToString().EndsWith("half.sock\n", StringComparison.Ordinal))
        {
            await driver.UntilAsync(InstallMessage.Output);
        }

        return driver.Output.ToString().Split('\n')[^2];
    }

    internal static void GoOn(AgentRig rig) => File.WriteAllText($"{rig.Guest}/go", "");

    internal static async Task UntilAsync(AgentRig rig, Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(50, rig.Soon);
        }
    }

    // One that was killed and is not waited for yet does nothing any more.
    internal static bool IsGone(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/stat").Split(") ")[1][0] == 'Z';
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    /// <summary>Bytes that a process has written.</summary>
    internal static long Written(int pid) => long.Parse(
        File.ReadAllLines($"/proc/{pid}/io").First(line => line.StartsWith("wchar: ", StringComparison.Ordinal))["wchar: ".Length..]);

    internal static async Task ChildRunAsync(string program, string argument)
    {
        using var process = Process.Start(program, argument);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
