using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Power;

/// <summary>What the power service asks of the system and does to it.</summary>
internal interface IPowerPlatform
{
    /// <summary>The agent's own process id.</summary>
    int OwnProcessId { get; }

    /// <summary>Base name of what process 1 was started as, "" if that cannot be read.</summary>
    string InitName { get; }

    /// <summary>Whether a folder is there.</summary>
    bool IsDirectory(string path);

    /// <summary>Whether a file is there that this process may execute.</summary>
    bool IsExecutable(string path);

    /// <summary>Whether this process may call reboot(2).</summary>
    bool MayReboot { get; }

    /// <summary>Whether this process may send signals to process 1.</summary>
    bool MaySignalInit { get; }

    /// <summary>Runs a program to its end; the exit code, 126 if it could not be started.</summary>
    Task<int> RunAsync(string program, IReadOnlyList<string> arguments);

    /// <summary>Sends a signal to process 1; false if that is not allowed.</summary>
    bool SignalInit(int signal);

    /// <summary>The words of /sys/power/state, "" if the kernel has none or it cannot be read.</summary>
    string SleepStates { get; }

    /// <summary>Sleeps in one of these states; returns after waking up. False if the kernel refused.</summary>
    bool Sleep(string state);

    /// <summary>
    /// Writes out file systems, for five seconds at most, and calls reboot(2); false if that is not allowed. Returns only
    /// for a halt or a failure.
    /// </summary>
    bool KernelReboot(PowerAction action);
}
