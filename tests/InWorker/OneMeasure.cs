using ChannelSdk.Linux.Native;
using ChannelSdk.Worker.Confinement;

namespace ChannelSdk.InWorker;

/// <summary>Takes one measure of a worker's, and tries what is told.</summary>
internal static unsafe class OneMeasure
{
    public static int Run(string measure, string[] arguments)
    {
        var settings = ConfinementSettings.Parse(arguments)!;
        var threads = RuntimeThreads.Count();
        var errors = measure switch
        {
            "landlock" => RuntimeThreads.OnEach(threads, NoNewPrivileges.Apply, Landlock.Apply),
            "root" => [EmptyRoot.Apply(settings.HostMounts)],
            "user" => [OwnUser.Become(settings.User)],
            "capabilities" => RuntimeThreads.OnEach(threads, CapabilityDrop.BoundingSet, CapabilityDrop.All),
            "undumpable" => [Undumpable.Apply()],
            "limits" => [ResourceBounds.Apply(settings)],
            _ => [-1],
        };
        using var control = new SafeFd(settings.Control);
        var result = (byte)errors.Max();
        _ = SocketCalls.Send(control, &result, 1, Abi.MSG_NOSIGNAL);
        return ProbeLoop.Run(control);
    }
}
