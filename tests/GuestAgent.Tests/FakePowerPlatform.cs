using System.Collections.Concurrent;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>A system that notes what is done to it.</summary>
internal sealed class FakePowerPlatform : IPowerPlatform
{
    public HashSet<string> Paths { get; } = [];

    public ConcurrentQueue<string> Done { get; } = [];

    public int ExitCode { get; set; }

    public bool Permitted { get; set; } = true;

    public bool Works { get; set; } = true;

    public bool MayReboot => Permitted;

    public bool MaySignalInit => Permitted;

    public int OwnProcessId { get; set; } = 100;

    public string InitName { get; set; } = "init";

    public bool IsDirectory(string path) => Paths.Contains(path);

    public bool IsExecutable(string path) => Paths.Contains(path);

    public Task<int> RunAsync(string program, IReadOnlyList<string> arguments)
    {
        Done.Enqueue(string.Join(' ', [program, .. arguments]));
        return Task.FromResult(ExitCode);
    }

    public bool SignalInit(int signal)
    {
        Done.Enqueue($"signal {signal}");
        return Works;
    }

    public string SleepStates { get; set; } = "";

    public bool Sleep(string state)
    {
        Done.Enqueue($"sleep {state}");
        return Works;
    }

    public bool KernelReboot(PowerAction action)
    {
        Done.Enqueue($"reboot {action}");
        return Works;
    }
}
