using System.Text;
using ChannelSdk.GuestAgent.Platform.Network;
using ChannelSdk.GuestAgent.Repair.Steps;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.GuestAgent.Repair;

/// <summary>The guest that this process runs in.</summary>
/// <param name="setClock">Sets the wall clock to nanoseconds since 1970; an errno number, 0 for success.</param>
internal sealed class LinuxRepairPlatform(Func<long, int> setClock) : IRepairPlatform
{
    public string Root => "";

    public DateTimeOffset Now => DateTimeOffset.UtcNow;

    public int AddEntropy(ReadOnlySpan<byte> bytes, int bits) => KernelPool.Add(bytes, bits);

    public int Reseed() => KernelPool.Reseed();

    public int SetClock(long nanoseconds) => setClock(nanoseconds);

    public unsafe int SetHostName(string name)
    {
        fixed (byte* start = Encoding.UTF8.GetBytes(name))
        {
            return SystemCalls.SetHostName(start, (nuint)Encoding.UTF8.GetByteCount(name)) == 0 ? 0 : Errno.Last;
        }
    }

    public int? FindInterface(ReadOnlySpan<byte> address) => LinkAddress.Find(address);

    public int SetAddress(int index, ReadOnlySpan<byte> address) => LinkAddress.Set(index, address);

    public int Signal(int pid, int signal) => ProcessCalls.Kill(pid, signal) == 0 ? 0 : Errno.Last;

    public string? Find(string program)
    {
        foreach (var folder in ProcessSpawn.SearchPath.Split(':'))
        {
            var path = $"{folder}/{program}";
            if (FileCalls.Access(path, Abi.X_OK) == 0)
            {
                return path;
            }
        }

        return null;
    }

    public CapturedResult Run(string program, IReadOnlyList<string> arguments, TimeSpan limit, Func<bool> mustStop) =>
        CapturedProcess.Run(program, arguments, limit, mustStop);
}
