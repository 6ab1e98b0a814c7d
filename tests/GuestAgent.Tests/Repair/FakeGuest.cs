using ChannelSdk.GuestAgent.Repair.Steps;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.GuestAgent.Tests.Repair;

/// <summary>A guest whose files are in a folder, and whose kernel and programs the test plays.</summary>
internal sealed class FakeGuest(string root) : IRepairPlatform
{
    private readonly List<string> _calls = [];

    public string Root => root;

    public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch.AddYears(56);

    /// <summary>What was asked of it, in order.</summary>
    public IReadOnlyList<string> Calls => _calls;

    /// <summary>The call at which the agent is killed: it does not return.</summary>
    public int KilledAt { get; set; } = int.MaxValue;

    /// <summary>Set once the agent is killed.</summary>
    public ManualResetEventSlim Killed { get; } = new();

    /// <summary>Calls that fail, and how.</summary>
    public Dictionary<string, int> Errors { get; } = [];

    /// <summary>What was mixed into the random numbers.</summary>
    public byte[] Mixed { get; private set; } = [];

    public string HostName { get; private set; } = "original";

    /// <summary>Interfaces by their numbers.</summary>
    public Dictionary<int, string> Addresses { get; } = new() { [2] = "525400000001" };

    /// <summary>Programs that are there.</summary>
    public HashSet<string> Programs { get; } = ["ssh-keygen", "systemctl", "dhclient"];

    public int AddEntropy(ReadOnlySpan<byte> bytes, int bits)
    {
        Mixed = bytes.ToArray();
        return Note($"entropy {bits}", "entropy");
    }

    public int Reseed() => Note("reseed");

    public int SetClock(long nanoseconds) => Note("clock", "clock");

    public int SetHostName(string name)
    {
        HostName = name;
        return Note($"name {name}", "name");
    }

    public int? FindInterface(ReadOnlySpan<byte> address)
    {
        var text = Convert.ToHexStringLower(address);
        return Addresses.Where(pair => pair.Value == text).Select(static pair => (int?)pair.Key).FirstOrDefault();
    }

    public int SetAddress(int index, ReadOnlySpan<byte> address)
    {
        var error = Note($"address {index} {Convert.ToHexStringLower(address)}", "address");
        Addresses[index] = error == 0 ? Convert.ToHexStringLower(address) : Addresses[index];
        return error;
    }

    public int Signal(int pid, int signal) => Note($"signal {pid} {signal}", "signal");

    public string? Find(string program) => Programs.Contains(program) ? $"/bin/{program}" : null;

    public CapturedResult Run(string program, IReadOnlyList<string> arguments, TimeSpan limit, Func<bool> mustStop)
    {
        var name = Path.GetFileName(program);
        var code = Note($"{name} {string.Join(' ', arguments)}".Replace(root, "", StringComparison.Ordinal), name);
        if (code == 0 && name == "ssh-keygen")
        {
            File.WriteAllText(arguments[^1], $"private {Guid.NewGuid()}");
            File.WriteAllText(arguments[^1] + ".pub", $"public {Guid.NewGuid()}");
        }

        return new CapturedResult(code, false, code == 0 ? "" : "it went\nwrong", false, TimeSpan.Zero);
    }

    private int Note(string call, string? kind = null)
    {
        _calls.Add(call);
        if (_calls.Count > KilledAt)
        {
            Killed.Set();
            Thread.Sleep(Timeout.Infinite);
        }

        return Errors.GetValueOrDefault(kind ?? call);
    }
}
