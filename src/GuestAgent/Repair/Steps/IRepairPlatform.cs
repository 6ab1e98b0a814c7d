using ChannelSdk.Linux.Processes;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>The guest that a repair works on. Errors are errno numbers, 0 for success.</summary>
internal interface IRepairPlatform
{
    /// <summary>What stands before every absolute path: empty in a guest.</summary>
    string Root { get; }

    /// <summary>The wall clock.</summary>
    DateTimeOffset Now { get; }

    /// <summary>RNDADDENTROPY of random(4).</summary>
    /// <param name="bytes">What the kernel mixes in.</param>
    /// <param name="bits">How much of it cannot be guessed.</param>
    int AddEntropy(ReadOnlySpan<byte> bytes, int bits);

    /// <summary>RNDRESEEDCRNG of random(4): the next random numbers come of what was mixed in.</summary>
    int Reseed();

    /// <summary>Sets the wall clock to nanoseconds since 1970.</summary>
    int SetClock(long nanoseconds);

    /// <summary>sethostname(2).</summary>
    int SetHostName(string name);

    /// <summary>The number of the interface with a hardware address; null if there is none.</summary>
    int? FindInterface(ReadOnlySpan<byte> address);

    /// <summary>Gives an interface another hardware address.</summary>
    int SetAddress(int index, ReadOnlySpan<byte> address);

    /// <summary>Sends a signal.</summary>
    int Signal(int pid, int signal);

    /// <summary>Where a program is, by its name; null if it is not there.</summary>
    string? Find(string program);

    /// <summary>Runs a program on this thread.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="mustStop">Asked all the time; true kills it.</param>
    CapturedResult Run(string program, IReadOnlyList<string> arguments, TimeSpan limit, Func<bool> mustStop);
}
