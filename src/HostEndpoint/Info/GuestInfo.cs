namespace ChannelSdk.Host.Info;

/// <summary>
/// What a guest says of itself: claims of a party that is not trusted. Texts are escaped, so they are safe to print. What the guest
/// could not find out is empty, 0 or null.
/// </summary>
public sealed record GuestInfo
{
    /// <summary>Its agent; null if it tells nothing of it.</summary>
    public AgentInfo? Agent { get; init; }
    /// <summary>Its operating system, from os-release(5); null if it tells nothing of it.</summary>
    public OsInfo? Os { get; init; }
    /// <summary>Its kernel; null if it tells nothing of it.</summary>
    public KernelInfo? Kernel { get; init; }
    /// <summary>Its host name.</summary>
    public required string HostName { get; init; }
    /// <summary>Changes with each boot.</summary>
    public required string BootId { get; init; }
    /// <summary>Time since its kernel started.</summary>
    public TimeSpan Uptime { get; init; }
    /// <summary>Its memory; null if it tells nothing of it.</summary>
    public MemoryInfo? Memory { get; init; }
    /// <summary>How busy it is; null if it tells nothing of it.</summary>
    public LoadInfo? Load { get; init; }
    /// <summary>The methods that its agent answers. Methods that its policy denies are not listed.</summary>
    public IReadOnlyList<string> Methods { get; init; } = [];
    /// <summary>What its image's policy allows beyond methods; null if it tells nothing of it.</summary>
    public PolicyInfo? Policy { get; init; }
    /// <summary>Its network; null if it tells nothing of it.</summary>
    public NetworkInfo? Network { get; init; }
    /// <summary>Block devices that have a size.</summary>
    public IReadOnlyList<DiskInfo> Disks { get; init; } = [];
    /// <summary>File systems with storage in the guest, and behind them those in memory; each once. Of very many the first.</summary>
    public IReadOnlyList<FileSystemUsage> FileSystems { get; init; } = [];
    /// <summary>Who is logged in.</summary>
    public IReadOnlyList<UserInfo> Users { get; init; } = [];
}

/// <summary>An agent.</summary>
/// <param name="Version">Its version.</param>
/// <param name="ProtocolVersion">The highest protocol version that it speaks.</param>
/// <param name="Pid">Its process.</param>
/// <param name="Uptime">Time since it started.</param>
/// <param name="RssBytes">Its resident memory.</param>
/// <param name="Capabilities">What it is privileged to: "reboot", "freeze" (with trim), "time".</param>
public sealed record AgentInfo(string Version, long ProtocolVersion, long Pid, TimeSpan Uptime, long RssBytes, IReadOnlyList<string> Capabilities);

/// <summary>An operating system.</summary>
/// <param name="Id">For instance "debian".</param>
/// <param name="VersionId">For instance "12".</param>
/// <param name="PrettyName">For instance "Debian GNU/Linux 12 (bookworm)".</param>
public sealed record OsInfo(string Id, string VersionId, string PrettyName);

/// <summary>A kernel.</summary>
/// <param name="Name">For instance "Linux".</param>
/// <param name="Release">For instance "6.1.0-40-cloud-amd64".</param>
/// <param name="Architecture">The machine as the kernel names it, for instance "x86_64".</param>
public sealed record KernelInfo(string Name, string Release, string Architecture);

/// <summary>Memory.</summary>
/// <param name="TotalBytes">All.</param>
/// <param name="AvailableBytes">What can be had without swapping.</param>
public sealed record MemoryInfo(long TotalBytes, long AvailableBytes);

/// <summary>Processes that run or wait to run, on average.</summary>
/// <param name="OneMinute">Of the last minute.</param>
/// <param name="FiveMinutes">Of the last five.</param>
/// <param name="FifteenMinutes">Of the last fifteen.</param>
public sealed record LoadInfo(double OneMinute, double FiveMinutes, double FifteenMinutes);

/// <summary>What the host may do with files and programs. The guest decides again at each call.</summary>
/// <param name="Readable">Absolute paths that may be read, each with all below.</param>
/// <param name="Writable">Absolute paths that may be written, each with all below.</param>
/// <param name="Commands">Programs that may be started.</param>
public sealed record PolicyInfo(IReadOnlyList<string> Readable, IReadOnlyList<string> Writable, IReadOnlyList<CommandInfo> Commands);

/// <summary>A program that may be started.</summary>
/// <param name="Program">Absolute path.</param>
/// <param name="Arguments">A pattern for each argument: * is any characters but a slash, ** any characters; "..." at the end is any further arguments.</param>
/// <param name="Environment">Names of the variables that it may get besides LANG, LC_*, TZ and TERM; a * at the end of one is any rest.</param>
public sealed record CommandInfo(string Program, IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment);

/// <summary>A network as the guest sees it.</summary>
/// <param name="Interfaces">Its interfaces.</param>
/// <param name="Routes">Its routes.</param>
public sealed record NetworkInfo(IReadOnlyList<NetworkInterfaceInfo> Interfaces, IReadOnlyList<RouteInfo> Routes);

/// <summary>A network interface.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Hardware">For instance "52:54:00:12:34:56".</param>
/// <param name="Mtu">Bytes of the longest packet.</param>
/// <param name="State">The kernel's word: "up", "down", "unknown" and others.</param>
/// <param name="Addresses">With prefix length, for instance "10.0.2.15/24".</param>
public sealed record NetworkInterfaceInfo(string Name, string Hardware, long Mtu, string State, IReadOnlyList<string> Addresses);

/// <summary>A route.</summary>
/// <param name="Interface">Where it leads out.</param>
/// <param name="Destination">For instance "10.0.2.0/24"; "0.0.0.0/0" and "::/0" are the default.</param>
/// <param name="Gateway">Empty for a network that is directly connected.</param>
public sealed record RouteInfo(string Interface, string Destination, string Gateway);

/// <summary>A block device.</summary>
/// <param name="Name">For instance "vda".</param>
/// <param name="SizeBytes">Its size.</param>
/// <param name="IsReadOnly">Whether it cannot be written.</param>
/// <param name="Serial">Its serial number.</param>
public sealed record DiskInfo(string Name, long SizeBytes, bool IsReadOnly, string Serial);

/// <summary>How full a file system is.</summary>
/// <param name="Mount">Where it is mounted.</param>
/// <param name="Type">For instance "ext4".</param>
/// <param name="Source">For instance "/dev/vda1".</param>
/// <param name="IsReadOnly">Whether it is mounted read-only.</param>
/// <param name="TotalBytes">Its size.</param>
/// <param name="AvailableBytes">Free for users without privileges.</param>
/// <param name="Silent">Empty, or the mount that did not answer in time, which is why there are no figures: this one or one that the way to it leads through.</param>
public sealed record FileSystemUsage(string Mount, string Type, string Source, bool IsReadOnly, long TotalBytes, long AvailableBytes, string Silent);

/// <summary>A user who is logged in.</summary>
/// <param name="Name">The user's name.</param>
/// <param name="Terminal">Where.</param>
/// <param name="Since">Since when, by the guest's clock; null if that is no time.</param>
public sealed record UserInfo(string Name, string Terminal, DateTimeOffset? Since);
