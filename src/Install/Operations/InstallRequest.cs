using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Metadata.Http;

namespace ChannelSdk.Install.Operations;

/// <summary>One operation on one instance.</summary>
public sealed record InstallRequest
{
    /// <summary>The highest <see cref="DebugLevel"/>.</summary>
    public const int MaxDebugLevel = 9;

    /// <summary>Name of the instance, which has a record.</summary>
    public required string Instance { get; init; }

    /// <summary>What is done.</summary>
    public InstallAction Action { get; init; }

    /// <summary>Whether the instance had a system before, which a <see cref="InstallAction.Create"/> puts another in place of; its scripts are told. Without it an instance in <see cref="Records.ExecutionMode.Run"/> is not installed.</summary>
    public bool IsReinstall { get; init; }

    /// <summary>How much the scripts are to tell of their work: 0, as usual, to <see cref="MaxDebugLevel"/>.</summary>
    public int DebugLevel { get; init; }

    /// <summary>The instance's disks, which the appliance gets; none: those of the record.</summary>
    public IReadOnlyList<TargetDisk> Disks { get; init; } = [];

    /// <summary>
    /// For an <see cref="InstallAction.Export"/> or <see cref="InstallAction.Import"/>: where the data of each disk is kept, in the order of the disks. The half in the
    /// appliance moves it if the definition has one for the action, else the half on the host; that half is called once for each disk. Empty: the halves move
    /// what they like by themselves, and each is called once.
    /// </summary>
    public IReadOnlyList<DiskData> Data { get; init; } = [];

    /// <summary>The values of secret parameters; taken over, and always wiped.</summary>
    public SecretParameters? Secrets { get; init; }

    /// <summary>For the personalization package's server; taken over, and always wiped.</summary>
    public PackageCredentials? PackageCredentials { get; init; }

    /// <summary>For the server of the URLs in <see cref="Data"/>, all of which have its scheme, name and port; taken over, and always wiped.</summary>
    public PackageCredentials? DataCredentials { get; init; }

    /// <summary>The name that a <see cref="InstallAction.Rename"/> tells the installed system, and gives the record when it has succeeded; no instance has it yet.</summary>
    public string? NewName { get; init; }

    /// <summary>The instance at a metadata server, which serves the appliance too; null: none.</summary>
    public MetadataInstance? Metadata { get; init; }
}
