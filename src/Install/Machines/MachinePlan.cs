using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Machines;

/// <summary>
/// The machine that a record describes, by Ganeti's names of hypervisor parameters (gnt-instance(8)). In mode self_install the record's own
/// set of them comes before the others.
/// </summary>
internal static class MachinePlan
{
    /// <summary>What only a machine that installs itself has: the document that its metadata begin as.</summary>
    public const string MetadataKey = "metadata";

    private const string Kernel = "kernel_path";
    private const string Initrd = "initrd_path";
    private const string Root = "root_path";
    private const string Arguments = "kernel_args";
    private const string Medium = "cdrom_image_path";
    private const string Order = "boot_order";
    private const int MaxText = 256;

    private static readonly string[] s_selfInstall = [Kernel, Initrd, Root, Arguments, Medium, Order, "disk_type", "nic_type", MetadataKey];

    /// <summary>Checks all that can be checked before it is started.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what the record cannot ask for, or what is not there.</exception>
    public static MachineRequest Of(InstanceRecord record, string folder, Action<RunningMachine> onStarted)
    {
        if (record.SelfInstall.Keys.FirstOrDefault(static key => !s_selfInstall.Contains(key)) is { } unknown && record.Mode == ExecutionMode.SelfInstall)
        {
            throw Wrong(record, $"it is to be started with '{SafeText.Escape(unknown, MaxText)}', which is none of {string.Join(", ", s_selfInstall)}");
        }

        var parameters = Parameters(record);
        CheckHardware(record, parameters);
        var boot = Boot(record, parameters);
        foreach (var file in (string?[])[boot.Kernel, boot.Initrd, boot.Medium, .. record.Disks.Select(static disk => disk.Path)])
        {
            if (file is not null && !File.Exists(file))
            {
                throw Wrong(record, $"it needs {SafeText.Escape(file, MaxText)}, which is not there");
            }
        }

        return new MachineRequest
        {
            Instance = record.Name,
            Folder = folder,
            Disks = record.Disks,
            Hardware = RecordHardware.Of(record, parameters),
            Boot = boot,
            HasChannel = record.HasCommunication,
            OnStarted = onStarted,
        };
    }

    private static Dictionary<string, string> Parameters(InstanceRecord record)
    {
        var result = new Dictionary<string, string>(record.HypervisorParameters);
        foreach (var (name, value) in record.Mode == ExecutionMode.SelfInstall ? record.SelfInstall : new Dictionary<string, string>())
        {
            result[name] = value;
        }

        return result;
    }

    private static MachineBoot Boot(InstanceRecord record, Dictionary<string, string> parameters)
    {
        string? Value(string name) => parameters.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;
        // An image that is no file is one that the instance knows by its name.
        var medium = Value(Medium) ?? (record.Mode == ExecutionMode.SelfInstall && Path.IsPathRooted(record.OsImage) ? record.OsImage : null);
        var kernel = Value(Kernel);
        if (kernel is null && medium is null && record.Disks.Count == 0)
        {
            throw Wrong(record, "it has nothing to boot from; give it a disk (channelctl instance set --disk)");
        }

        return new MachineBoot
        {
            Kernel = Full(record, Kernel, kernel),
            Initrd = kernel is null ? null : Full(record, Initrd, Value(Initrd)),
            Append = $"{(Value(Root) is { } root ? $"root={root} ro" : "")} {Value(Arguments)}".Trim(),
            Medium = Full(record, Medium, medium),
            Order = Value(Order) is { } order ? [.. order.Split(',').Select(word => Device(record, word))]
                : medium is not null && record.Mode == ExecutionMode.SelfInstall ? [BootDevice.Medium, BootDevice.Disk] : [BootDevice.Disk, BootDevice.Medium],
        };
    }

    private static BootDevice Device(InstanceRecord record, string word) => word switch
    {
        "disk" => BootDevice.Disk,
        "cdrom" => BootDevice.Medium,
        "network" => BootDevice.Network,
        _ => throw Wrong(record, $"'{SafeText.Escape(word, MaxText)}' in its {Order} is no place to boot from; it takes disk, cdrom and network with commas between them"),
    };

    private static string? Full(InstanceRecord record, string name, string? path) => path is null || Path.IsPathRooted(path) ? path
        : throw Wrong(record, $"its {name} is {SafeText.Escape(path, MaxText)}; it takes an absolute path");

    private static void CheckHardware(InstanceRecord record, Dictionary<string, string> parameters)
    {
        if (RecordHardware.BusOf(parameters) is null || RecordHardware.ModelOf(parameters) is null)
        {
            throw Wrong(record, "a machine can have its disks as disk_type=paravirtual, scsi or ide, and its network interfaces as nic_type=paravirtual, e1000 or rtl8139");
        }

        foreach (var (index, nic) in record.Nics.Index())
        {
            if (nic.Mode != NicMode.Bridged || nic.Link is null)
            {
                throw Wrong(record, $"its network interface {index} is {(nic.Link is null ? "joined to nothing" : $"in mode {nic.Mode.ToString().ToLowerInvariant()}")}; a machine's is a port of a bridge (mode=bridged,link=NAME)");
            }
        }
    }

    private static ChannelException Wrong(InstanceRecord record, string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"{record.Name} cannot be started: {text}");
}
