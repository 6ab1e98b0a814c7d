using ChannelSdk.GuestAgent.Exec;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>The end of a control group: what was killed holds it until the kernel is done with it.</summary>
internal static class ControlGroupEnd
{
    private const int MaxPasses = 200;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Kills what is in it and removes it; gives up after two seconds.</summary>
    public static void Remove(string path)
    {
        for (var pass = 0; pass < MaxPasses && Directory.Exists(path); pass++)
        {
            ExecCgroup.Kill(path);
            ExecCgroup.Remove(path);
            Thread.Sleep(Pause);
        }
    }
}
