using ChannelSdk.GuestAgent.Platform;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Power;

/// <summary>The real system behind the power service.</summary>
internal sealed class LinuxPowerPlatform : IPowerPlatform
{
    // linux/reboot.h
    private const int RebootCommandRestart = 0x01234567;
    private const int RebootCommandHalt = unchecked((int)0xCDEF0123);
    private const int RebootCommandPowerOff = 0x4321FEDC;

    // linux/capability.h
    private const int CapSysBoot = 22;

    public int OwnProcessId => Environment.ProcessId;

    public string InitName => ProcValues.ProgramName(SmallFile.Read("/proc/1/cmdline"));

    public bool MayReboot => ProcValues.HasCapability(SmallFile.Read("/proc/self/status"), CapSysBoot);

    public bool MaySignalInit => ProcessCalls.Kill(1, 0) == 0;

    public bool IsDirectory(string path) => Directory.Exists(path);

    public bool IsExecutable(string path) => FileCalls.Access(path, Abi.X_OK) == 0 && !Directory.Exists(path);

    public Task<int> RunAsync(string program, IReadOnlyList<string> arguments) => ChildProcess.RunAsync(program, arguments);

    public bool SignalInit(int signal) => ProcessCalls.Kill(1, signal) == 0;

    public string SleepStates => SmallFile.Read("/sys/power/state").Trim();

    public bool Sleep(string state) => SmallFile.TryWrite("/sys/power/state", state);

    public bool KernelReboot(PowerAction action)
    {
        // Storage that does not answer must not keep a guest from being stopped.
        _ = Task.Factory.StartNew(SystemCalls.Sync, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
            .Wait(TimeSpan.FromSeconds(5));
        return SystemCalls.Reboot(action switch
        {
            PowerAction.Reboot => RebootCommandRestart,
            PowerAction.Halt => RebootCommandHalt,
            _ => RebootCommandPowerOff,
        }) == 0;
    }
}
