using ChannelSdk.Channels;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
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
    /// Inner networks that personalization packages and the data of disks may be fetched from, and data sent to, for instance 10.1.0.0/16. By default only public
    /// addresses are: none of the host itself, its link, private networks, or a cloud's metadata service. It is for the
    /// administrator of the host to allow one; neither an instance's record nor a server can.
    /// </summary>
    public IReadOnlyList<System.Net.IPNetwork> PackageNetworks { get; init; } = [];

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

    internal void Validate()
    {
        const int mostFolder = 60;
        foreach (var (name, value) in ((string, object?)[])
            [(nameof(Folder), Folder), (nameof(Records), Records), (nameof(Definitions), Definitions), (nameof(PackageNetworks), PackageNetworks), (nameof(TrustedPath), TrustedPath), (nameof(Channel), Channel), (nameof(Time), Time)])
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
