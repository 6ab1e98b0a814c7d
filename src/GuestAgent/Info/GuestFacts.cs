using ChannelSdk.GuestAgent.Platform;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.GuestAgent.Platform.Network;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Info;

/// <summary>Collects what info.Get and agent.Status report. What comes from a disk is read once, at start.</summary>
/// <param name="version">The agent's version.</param>
/// <param name="protocolVersion">The highest protocol version that the agent speaks.</param>
/// <param name="time">The clock of the agent's uptime.</param>
/// <param name="fileSystems">How full what is.</param>
internal sealed class GuestFacts(string version, uint protocolVersion, TimeProvider time, FileSystemFacts fileSystems)
{
    // An answer has 256 KiB; a list with long names in it ends earlier.
    private const int MaxFileSystemBytes = 96 << 10;

    // linux/capability.h
    private static readonly (int Number, string Name)[] s_capabilities = [(22, "reboot"), (21, "freeze"), (25, "time")];

    private readonly long _startedAt = time.GetTimestamp();

    /// <summary>The agent's version.</summary>
    public string Version => version;

    /// <summary>Milliseconds since the agent started.</summary>
    public ulong AgentUptimeMilliseconds => (ulong)time.GetElapsedTime(_startedAt).TotalMilliseconds;

    /// <summary>The agent's resident memory in bytes.</summary>
    public static ulong AgentResidentBytes => ProcValues.ResidentBytes(SmallFile.Read("/proc/self/statm"), Environment.SystemPageSize);

    /// <summary>Everything but the methods. Takes as long as a file system may be silent.</summary>
    public GuestInfo Collect()
    {
        // All of it can change at any time (a clone's repair, an upgrade), so it is read at each call.
        var os = OsRelease.Load();
        var kernel = UnameInfo.Load();
        var memory = SmallFile.Read("/proc/meminfo");
        var (one, five, fifteen) = ProcValues.LoadAverage(SmallFile.Read("/proc/loadavg"));
        var info = new GuestInfo
        {
            Agent = new AgentInfo
            {
                Version = version,
                ProtocolVersion = protocolVersion,
                Pid = (uint)Environment.ProcessId,
                UptimeMs = AgentUptimeMilliseconds,
                RssBytes = AgentResidentBytes,
            },
            Os = new OsInfo { Id = os.Id, VersionId = os.VersionId, PrettyName = os.PrettyName },
            Kernel = new KernelInfo { Name = kernel.SystemName, Release = kernel.Release, Architecture = kernel.Machine },
            HostName = kernel.HostName,
            BootId = SmallFile.Read("/proc/sys/kernel/random/boot_id").Trim(),
            UptimeMs = ProcValues.UptimeMilliseconds(SmallFile.Read("/proc/uptime")),
            Memory = new MemoryInfo
            {
                TotalBytes = ProcValues.MemInfoBytes(memory, "MemTotal"),
                AvailableBytes = ProcValues.MemInfoBytes(memory, "MemAvailable"),
            },
            Load = new LoadInfo { OneMinute = one, FiveMinutes = five, FifteenMinutes = fifteen },
            Network = NetworkFacts.Read().ToInfo(),
        };
        var own = SmallFile.Read("/proc/self/status");
        foreach (var (number, name) in s_capabilities)
        {
            if (ProcValues.HasCapability(own, number))
            {
                info.Agent.Capabilities.Add(name);
            }
        }

        info.Disks.AddRange(StorageFacts.Disks());
        info.FileSystems.AddRange(fileSystems.Collect().Select(Usage).Within(MaxFileSystemBytes));
        info.Users.AddRange(LoginRecords.Load());
        return info;
    }

    private static FileSystemUsage Usage(FileSystemFact fact)
    {
        var usage = new FileSystemUsage
        {
            Mount = fact.Main.Path,
            Type = fact.Main.Type,
            Source = fact.Main.Source,
            IsReadOnly = fact.Main.IsReadOnly,
            Silent = fact.Figures is null ? fact.Keeper.Path : "",
        };
        if (fact.Figures is { } figures)
        {
            (usage.TotalBytes, usage.AvailableBytes) = (figures.TotalBytes, figures.AvailableBytes);
        }

        return usage;
    }
}
