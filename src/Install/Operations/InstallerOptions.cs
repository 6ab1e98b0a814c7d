using ChannelSdk.Channels;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Images;
using ChannelSdk.Install.Mirror;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Install.Operations;

/// <summary>What a host's installs have in common; the administrator's word.</summary>
public sealed record InstallerOptions
{
    /// <summary>Where programs usually are.</summary>
    public const string DefaultPath = ProcessSpawn.SearchPath;

    /// <summary>Folder for operations: journals, logs, sockets. At most 60 characters, as sockets lie below it.</summary>
    public required string Folder { get; init; }

    /// <summary>The instances' records.</summary>
    public required InstanceRecordStore Records { get; init; }

    /// <summary>The OS definitions, and what is forbidden to them.</summary>
    public required DefinitionCatalog Definitions { get; init; }

    /// <summary>The images that instances may name as image:NAME; null: there are none.</summary>
    public ImageCatalog? Images { get; init; }

    /// <summary>Whether no image may be installed but those of <see cref="Images"/>.</summary>
    public bool OnlyCatalogImages { get; init; }

    /// <summary>The largest image that is fetched from a server, or copied to be checked, in bytes: 1 MiB to 16 TiB. It needs that much room below <see cref="Folder"/>.</summary>
    public long ImageBytes { get; init; } = 64L << 30;

    /// <summary>Starts appliances; null: definitions with an untrusted half cannot be used.</summary>
    public IInstanceLauncher? Launcher { get; init; }

    /// <summary>The longest that one operation may take, 1 s to 7 days. No message of a guest changes it.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Time that a half has to come to its own end once the other has failed.</summary>
    public TimeSpan ScriptGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Bytes that are kept of each output of each half, 4 KiB to 1 GiB.</summary>
    public long OutputBytes { get; init; } = 8 << 20;

    /// <summary>Ended operations whose journals and logs are kept, 1 to 100,000; the oldest go.</summary>
    public int KeepOperations { get; init; } = 100;

    /// <summary>
    /// Inner networks that personalization packages, images and the data of disks may be fetched from, and data sent to, for instance 10.1.0.0/16. By default only public
    /// addresses are: none of the host itself, its link, private networks, or a cloud's metadata service. It is for the
    /// administrator of the host to allow one; neither an instance's record nor a server can.
    /// </summary>
    public IReadOnlyList<System.Net.IPNetwork> PackageNetworks { get; init; } = [];

    /// <summary>
    /// Where appliances may fetch from by the host's proxy, which their scripts find in <c>http_proxy</c> and <c>https_proxy</c>: URLs of
    /// folders, as http://deb.debian.org/debian/, or of whole https servers, as https://deb.debian.org/. What is asked of an https
    /// server is encrypted and not seen. At most 64; empty, as it is by default: there is no proxy.
    /// </summary>
    public IReadOnlyList<Uri> Mirrors { get; init; } = [];

    /// <summary>Inner networks that <see cref="Mirrors"/> may be in, as <see cref="PackageNetworks"/> for packages.</summary>
    public IReadOnlyList<System.Net.IPNetwork> MirrorNetworks { get; init; } = [];

    /// <summary>Bytes that one operation may fetch by the proxy in all, answers and both directions of a tunnel; 1 KiB to 1 TiB.</summary>
    public long MirrorBytes { get; init; } = 4L << 30;

    /// <summary>Where scripts on the host find programs; the folder of <c>channelctl</c> should be in it.</summary>
    public string TrustedPath { get; init; } = DefaultPath;

    /// <summary>
    /// Bounds and times of the channels to appliances. By default a flood of an appliance costs it, not the host, and memory
    /// that secrets went through is overwritten.
    /// </summary>
    public ChannelOptions Channel { get; init; } = new()
    {
        Session = new SessionOptions
        {
            WipeMemory = true,
            RpcLimit = new RateLimit(BytesPerSecond: 8 << 20, MessagesPerSecond: 2000, MessagesBurst: 4000),
        },
    };

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    private const int MostMirrors = 64;

    /// <summary>The servers that packages may come from.</summary>
    internal ServerAddresses PackageServers => PackageServersOf("the personalization package");

    /// <summary>The servers that the data of disks may come from and go to.</summary>
    internal ServerAddresses DataServers => PackageServersOf("a disk's data");

    /// <summary>The servers that images may come from.</summary>
    internal ServerAddresses ImageServers => PackageServersOf("the OS image");

    /// <summary>The servers that the proxy may connect to.</summary>
    internal ServerAddresses MirrorServers => new(MirrorNetworks, "a mirror", $"{nameof(MirrorNetworks)}, --mirror-network");

    private ServerAddresses PackageServersOf(string purpose) => new(PackageNetworks, purpose, $"{nameof(PackageNetworks)}, --package-network");

    internal void Validate()
    {
        const int mostFolder = 60;
        foreach (var (name, value) in ((string, object?)[])
            [(nameof(Folder), Folder), (nameof(Records), Records), (nameof(Definitions), Definitions), (nameof(PackageNetworks), PackageNetworks), (nameof(Mirrors), Mirrors), (nameof(MirrorNetworks), MirrorNetworks), (nameof(TrustedPath), TrustedPath), (nameof(Channel), Channel), (nameof(Time), Time)])
        {
            Check(value is not null, $"{name} is null");
        }

        foreach (var (name, path) in ((string, string)[])[(nameof(Folder), Folder), (nameof(TrustedPath), TrustedPath)])
        {
            Check(path.Length > 0 && !path.Contains('\0', StringComparison.Ordinal), $"{name} is no path");
        }

        Channel.Validate();
        Check(Path.GetFullPath(Folder).Length <= mostFolder, $"{nameof(Folder)} has {Path.GetFullPath(Folder).Length} characters; {mostFolder} are allowed, as sockets lie below it");
        Check(Deadline >= TimeSpan.FromSeconds(1) && Deadline <= TimeSpan.FromDays(7), $"{nameof(Deadline)} is {Deadline}; 1 s to 7 days are allowed");
        Check(ScriptGrace >= TimeSpan.Zero && ScriptGrace <= TimeSpan.FromHours(1), $"{nameof(ScriptGrace)} is {ScriptGrace}; 0 s to 1 hour are allowed");
        Check(OutputBytes is >= 4096 and <= 1 << 30, $"{nameof(OutputBytes)} is {OutputBytes}; 4 KiB to 1 GiB are allowed");
        Check(Mirrors.Count <= MostMirrors && !Mirrors.Contains(null!), $"{nameof(Mirrors)} has {Mirrors.Count} entries; {MostMirrors} are allowed, and none that is null");
        Check(MirrorBytes is >= 1024 and <= 1L << 40, $"{nameof(MirrorBytes)} is {MirrorBytes}; 1 KiB to 1 TiB are allowed");
        Check(ImageBytes is >= 1 << 20 and <= 16L << 40, $"{nameof(ImageBytes)} is {ImageBytes}; 1 MiB to 16 TiB are allowed");
        foreach (var mirror in Mirrors)
        {
            _ = MirrorOrigin.Parse(mirror);
        }

        Check(KeepOperations is >= 1 and <= 100_000, $"{nameof(KeepOperations)} is {KeepOperations}; 1 to 100000 are allowed");
    }

    private static void Check(bool isRight, string text)
    {
        if (!isRight)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, text);
        }
    }
}
