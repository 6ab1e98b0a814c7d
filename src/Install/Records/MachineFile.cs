using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Records;

/// <summary>What any process finds a running machine by: a folder for each instance, with the machine's sockets and a file that describes it.</summary>
/// <param name="state">Folder of the instances' records and operations.</param>
/// <param name="instance">Name of the instance.</param>
internal sealed class MachineFile(string state, string instance)
{
    private const int MaxName = 20;

    /// <summary>The machine's folder. Its name is short, as sockets lie in it: a long name's is a hash, which no instance has for a name.</summary>
    public string Folder { get; } = Path.Combine(Path.GetFullPath(state), "machines",
        instance.Length <= MaxName ? instance : $"~{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(instance)))[..(MaxName - 1)]}");

    private string Description => Path.Combine(Folder, "machine.json");

    /// <summary>The machine that runs; null: none does.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: its file is damaged.</exception>
    public RunningMachine? Find() => Read() is { IsRunning: true } machine ? machine : null;

    /// <summary>Makes the folder, without what a former machine has left in it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be made.</exception>
    public void Prepare()
    {
        Remove();
        PrivateFolder.Ensure(Path.GetDirectoryName(Folder)!);
        PrivateFolder.Ensure(Folder);
    }

    /// <summary>Keeps what describes a machine.</summary>
    public void Write(RunningMachine machine) => AtomicFile.Write(Description, JsonSerializer.SerializeToUtf8Bytes(machine, MachineJson.Default.RunningMachine));

    /// <summary>Removes what a machine that has ended has left.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: it cannot be removed.</exception>
    public void Remove()
    {
        try
        {
            if (Directory.Exists(Folder))
            {
                foreach (var group in Read()?.ControlGroups ?? [])
                {
                    Cgroup.End(group);
                }

                Directory.Delete(Folder, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, $"what the last machine of {instance} has left in {Folder} cannot be removed: {FileFault.Describe(e)}", e);
        }
    }

    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: a machine of the instance runs.</exception>
    public void RequireStopped(string purpose)
    {
        if (Find() is { } machine)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused,
                $"{instance} runs since {machine.Started:u} (process {machine.Process.Id}), and {purpose}; stop it before (channelctl instance stop)");
        }
    }

    private RunningMachine? Read()
    {
        try
        {
            return File.Exists(Description) ? JsonSerializer.Deserialize(File.ReadAllBytes(Description), MachineJson.Default.RunningMachine) : null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{Description} does not say what machine runs: {FileFault.Describe(e)}", e);
        }
    }
}

/// <summary>Serialization made at build time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RunningMachine))]
internal sealed partial class MachineJson : JsonSerializerContext
{
}
