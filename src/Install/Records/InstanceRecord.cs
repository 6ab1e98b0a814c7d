using System.Text.RegularExpressions;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Names;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Install.Records;

/// <summary>
/// What a host manager keeps of an instance for its installs and its starts. It never changes; a change is a new one. Its
/// text form names the instance and shows no parameter.
/// </summary>
public sealed partial record InstanceRecord
{
    /// <summary>The parameter of <see cref="BackendParameters"/> that is its memory in MiB, a number.</summary>
    public const string MemoryParameter = "maxmem";

    /// <summary>The parameter of <see cref="BackendParameters"/> that says how many processors it has.</summary>
    public const string CpusParameter = "vcpus";

    private const int MaxParameters = 256;
    private const int MaxValue = 65536;
    private const int MaxNics = 32;
    private const int MaxImage = 4096;
    private const int MaxDisks = 64;
    private const int MaxPath = 4095;
    private const int MaxWord = 64;
    private const int MaxMachineValue = 1024;

    /// <summary>As <see cref="InstanceName"/> allows: 1 to 253 characters of a-z, 0-9, dot and hyphen.</summary>
    public required string Name { get; init; }

    /// <summary>What it is started for.</summary>
    public ExecutionMode Mode { get; init; }

    /// <summary>Whether the channel is wanted in <see cref="ExecutionMode.Run"/>; it is kept with the instance and read at each start.</summary>
    public bool Communication { get; init; }

    /// <summary>Whether the instance has a channel when it is started now: always but in <see cref="ExecutionMode.Run"/> without <see cref="Communication"/>.</summary>
    public bool HasCommunication => Mode != ExecutionMode.Run || Communication;

    /// <summary>What runs it, by the name that its definition's scripts know, for instance kvm or xen-pvm.</summary>
    public string Hypervisor { get; init; } = "kvm";

    /// <summary>Parameters of the hypervisor, which its definition's scripts are told (<c>INSTANCE_HV_*</c>).</summary>
    public IReadOnlyDictionary<string, string> HypervisorParameters { get; init; } = ReadOnlyOrderedDictionary.Empty;

    /// <summary>What it needs of the host, such as maxmem in MiB and vcpus, which its definition's scripts are told (<c>INSTANCE_BE_*</c>).</summary>
    public IReadOnlyDictionary<string, string> BackendParameters { get; init; } = ReadOnlyOrderedDictionary.Empty;

    /// <summary>Its disks, the first one first, by absolute paths.</summary>
    public IReadOnlyList<TargetDisk> Disks { get; init; } = [];

    /// <summary>Its network interfaces, the first one first.</summary>
    public IReadOnlyList<InstanceNic> Nics { get; init; } = [];

    /// <summary>Name of the OS definition that it is installed from, with the name of a variant behind a plus sign if it is to be one; null: from <see cref="OsImage"/>, or not yet known. Never both.</summary>
    public string? OsDefinition { get; init; }

    /// <summary>
    /// The image that it is installed from; null: from <see cref="OsDefinition"/>, or not yet known. For an operation it is the absolute path of a file,
    /// an http or https URL, or "image:" with the name of an image in the host's catalogue; of at most 4,096 characters, no control character among them.
    /// </summary>
    public string? OsImage { get; init; }

    /// <summary>How <see cref="OsImage"/> is checked and read.</summary>
    public ImageRules ImageRules { get; init; } = new();

    /// <summary>OS parameters by name. Secret ones are here by name only; their values are given to each operation.</summary>
    public IReadOnlyDictionary<string, OsParameter> Parameters { get; init; } = new ReadOnlyOrderedDictionary<OsParameter>([]);

    /// <summary>Where its personalization package is, without credentials; null: there is none.</summary>
    public string? PersonalizationUrl { get; init; }

    /// <summary>
    /// What it was started with to install itself, as the manager names it (for instance boot order, medium, kernel), kept so
    /// that it can be installed again.
    /// </summary>
    public IReadOnlyDictionary<string, string> SelfInstall { get; init; } = ReadOnlyOrderedDictionary.Empty;

    /// <summary>This with one more parameter, or another value of one.</summary>
    public InstanceRecord With(string parameter, OsParameter value) => this with
    {
        Parameters = new ReadOnlyOrderedDictionary<OsParameter>(Parameters.Where(p => p.Key != parameter).Append(KeyValuePair.Create(parameter, value))),
    };

    /// <summary>This without a parameter.</summary>
    public InstanceRecord Without(string parameter) => this with { Parameters = new ReadOnlyOrderedDictionary<OsParameter>(Parameters.Where(p => p.Key != parameter)) };

    /// <summary>Names the instance; nothing of the parameters.</summary>
    public override string ToString() => $"record of {Name} ({Mode})";

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the text says what is wrong; no value of a parameter is in it.</exception>
    internal void Check()
    {
        InstanceName.Check(Name);
        if (OsDefinition is not null && OsImage is not null)
        {
            throw Wrong("it has both an OS definition and an OS image; it is installed from one of them");
        }

        if (OsDefinition is not null)
        {
            DefinitionName.Check(OsDefinition);
        }

        CheckImage();
        CheckMachine();
        if (PersonalizationUrl is not null)
        {
            PackageUrl.Parse(PersonalizationUrl);
        }

        if (Parameters.Count > MaxParameters || SelfInstall.Count > MaxParameters)
        {
            throw Wrong($"it has more than {MaxParameters} parameters");
        }

        foreach (var (name, parameter) in Parameters)
        {
            ParameterName.Check(name);
            if (parameter.Class == ParameterClass.Secret && parameter.HasValue)
            {
                throw Wrong($"the parameter {name} is secret and has a value; a record keeps the name alone, the value is given to each operation");
            }

            if (parameter.Reveal() is { } value && (value.Length > MaxValue || value.Contains('\0', StringComparison.Ordinal)))
            {
                throw Wrong($"the value of the parameter {name} is longer than {MaxValue} characters or has a zero byte in it");
            }
        }
    }

    private void CheckImage()
    {
        if (OsImage is not null && (OsImage.Length is 0 or > MaxImage || OsImage.Any(char.IsControl)))
        {
            throw Wrong($"its OS image has 1 to {MaxImage} characters, and no control character among them");
        }

        try
        {
            ImageRules.Check();
        }
        catch (ChannelException e)
        {
            throw Wrong(e.Message);
        }
    }

    private void CheckMachine()
    {
        if (!Word().IsMatch(Hypervisor))
        {
            throw Wrong($"'{SafeText.Escape(Hypervisor, MaxWord)}' is no name of a hypervisor, which is for instance kvm or xen-pvm");
        }

        if (Nics.Count > MaxNics || Disks.Count > MaxDisks)
        {
            throw Wrong($"it has more than {MaxNics} network interfaces or {MaxDisks} disks");
        }

        foreach (var (path, format) in Disks)
        {
            if (!Path.IsPathRooted(path) || path.Length > MaxPath || path.Any(char.IsControl) || format is not ("raw" or "qcow2"))
            {
                throw Wrong($"'{SafeText.Escape(path, MaxWord)}' ({SafeText.Escape(format, MaxWord)}) is no disk, which is an absolute path of at most {MaxPath} characters to a raw or qcow2 image, or a device");
            }
        }

        foreach (var (index, nic) in Nics.Index())
        {
            try
            {
                nic.Check(index);
            }
            catch (ChannelException e)
            {
                throw Wrong(e.Message);
            }
        }

        if (HypervisorParameters.Count > MaxParameters || BackendParameters.Count > MaxParameters)
        {
            throw Wrong($"it has more than {MaxParameters} parameters of its hypervisor or its host");
        }

        foreach (var (name, value) in HypervisorParameters.Concat(BackendParameters))
        {
            if (!Word().IsMatch(name) || value.Length > MaxMachineValue || value.Any(char.IsControl))
            {
                throw Wrong($"'{SafeText.Escape(name, MaxWord)}' is no parameter of a hypervisor or host: a name of 1 to {MaxWord} letters, digits, '-' and '_', a value of at most {MaxMachineValue} characters without control characters");
            }
        }
    }

    private ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"record of {Name}: {text}");

    [GeneratedRegex("^[A-Za-z0-9_-]{1,64}\\z")]
    private static partial Regex Word();
}
