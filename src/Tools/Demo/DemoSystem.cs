using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;

namespace ChannelSdk.Demo;

/// <summary>A system that the demo can install.</summary>
internal abstract class DemoSystem
{
    /// <summary>What it is called in the demo's words.</summary>
    public abstract string Name { get; }

    /// <summary>Size of its disk in bytes.</summary>
    public abstract long DiskBytes { get; }

    /// <summary>Memory of the machine that runs it, in MiB.</summary>
    public abstract int MemoryMiB { get; }

    /// <summary>Files of the personalization package besides the message of the day.</summary>
    /// <param name="guestEndpoint">Where the agent of the installed system finds this host.</param>
    public abstract IEnumerable<DemoFile> Files(string guestEndpoint);

    /// <summary>What it is installed from, in the record of the instance.</summary>
    /// <param name="record">The rest of the record.</param>
    /// <param name="guestEndpoint">Where the agent of the installed system finds this host.</param>
    public abstract InstanceRecord Describe(InstanceRecord record, string guestEndpoint);

    /// <summary>What only its installation may know: given to the appliance, never stored, wiped at the end.</summary>
    public virtual SecretParameters Secrets() => new();

    /// <summary>Fetches a URL by a program inside the guest.</summary>
    /// <exception cref="Exception">The guest did not answer, or could not.</exception>
    public abstract Task<string> FetchAsync(Instance instance, QemuGuest guest, string url, CancellationToken cancellationToken);
}

/// <summary>A file of the personalization package.</summary>
/// <param name="Path">Where it is laid down.</param>
/// <param name="Content">Its bytes, or of a link its target.</param>
/// <param name="IsExecutable">Whether it can be run.</param>
/// <param name="IsLink">Whether it is a symbolic link.</param>
internal sealed record DemoFile(string Path, ReadOnlyMemory<byte> Content, bool IsExecutable = false, bool IsLink = false);
