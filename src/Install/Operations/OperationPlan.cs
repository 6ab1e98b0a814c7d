using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Images;
using ChannelSdk.Install.Names;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Processes;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.Install.Operations;

/// <summary>An operation after all that can be checked before it begins was checked.</summary>
internal sealed class OperationPlan
{
    private OperationPlan(InstallRequest request, InstanceRecord record, OsDefinition definition, IReadOnlyList<OperationParameter> parameters) =>
        (Request, Record, Definition, Parameters) = (request, record, definition, parameters);

    public string Id { get; } = Guid.NewGuid().ToString("N");

    public InstallRequest Request { get; }

    public InstanceRecord Record { get; }

    public OsDefinition Definition { get; }

    public IReadOnlyList<OperationParameter> Parameters { get; }

    /// <summary>The image that the definition writes; null: it makes the system itself.</summary>
    public ImagePlan? Image { get; private init; }

    /// <summary>The definition's variant; empty: it has none.</summary>
    public required string Variant { get; init; }

    /// <summary>The instance's hardware, which an appliance gets as much of as it can use.</summary>
    public required MachineHardware Hardware { get; init; }

    /// <summary>What an appliance is given; null: the action has no half in one.</summary>
    public IReadOnlyList<InstallScript>? Scripts { get; private init; }

    /// <summary>The personalization package; null: none is laid over what this action makes.</summary>
    public PackageUrl? Package { get; private init; }

    public bool HasTrusted => Definition.HasTrusted(Request.Action);

    /// <param name="request">What is asked for.</param>
    /// <param name="record">The instance.</param>
    /// <param name="options">What all operations have in common.</param>
    /// <exception cref="ChannelException">What is missing or wrong, and where.</exception>
    public static OperationPlan Make(InstallRequest request, InstanceRecord record, InstallerOptions options)
    {
        RequestCheck.Of(request, record);
        request = request.Disks.Count > 0 ? request : request with { Disks = record.Disks };
        RequestCheck.Disks(request);
        // Scripts begin elsewhere than this program.
        request = request with { Disks = [.. request.Disks.Select(static disk => disk with { Path = Path.GetFullPath(disk.Path) })] };
        var image = record.OsImage is null ? null : ImagePlan.Make(record, request.Disks, options.Images, options.OnlyCatalogImages);
        var definition = image?.Definition ?? options.Definitions.Load(record.OsDefinition!, request.Action);
        var variant = definition.Interface.Choose(definition.Name, record.OsDefinition is { } name ? DefinitionName.Parts(name).Variant : null);
        RequestCheck.Description(request, record, definition, variant);
        return new OperationPlan(request, record, definition, OperationParameters.Resolve(definition, record, request.Secrets))
        {
            Image = image,
            Hardware = RecordHardware.Of(record, record.HypervisorParameters),
            Variant = variant,
            Scripts = definition.HasUntrusted(request.Action) ? definition.ReadUntrusted() : null,
            Package = request.Action == InstallAction.Create && record.PersonalizationUrl is { } url
                ? definition.HasUntrusted(request.Action) ? PackageUrl.Parse(url)
                    : throw RequestCheck.Wrong($"{record.Name} has a personalization package, and the OS definition {definition.Name} has no half in an appliance, where it could be unpacked")
                : null,
        };
    }

    /// <summary>What the appliance is asked. Parameters stand in it by reference, so it must be written before they are wiped.</summary>
    /// <param name="diskDevices">Where the appliance sees the disks.</param>
    /// <param name="hasProxy">Whether it is served a proxy.</param>
    /// <param name="imageVariables">What its script is told of an image.</param>
    public InstallRunRequest ToRunRequest(IReadOnlyList<string> diskDevices, bool hasProxy, IEnumerable<KeyValuePair<string, string>> imageVariables)
    {
        var request = ToVerifyRequest(diskDevices, hasProxy);
        request.Action = OsDefinition.ScriptName(Request.Action);
        request.Environment.AddRange(imageVariables.Select(v => ByteString.CopyFromUtf8($"{v.Key}={v.Value}")));
        if (Request.Data.Count > 0)
        {
            request.DataDevices.AddRange(diskDevices);
        }

        return request;
    }

    /// <summary>As <see cref="ToRunRequest"/>, to check the parameters.</summary>
    public InstallRunRequest ToVerifyRequest(IReadOnlyList<string> diskDevices, bool hasProxy)
    {
        var request = new InstallRunRequest
        {
            Operation = ByteString.CopyFrom(Convert.FromHexString(Id)),
            Action = InstallNames.Verify,
            Instance = Record.Name,
            HasProxy = hasProxy,
        };
        request.Environment.AddRange(Description(diskDevices).Select(v => ByteString.CopyFromUtf8($"{v.Key}={v.Value}")));
        request.Parameters.AddRange(Parameters.Select(p => new InstallParameter { Name = p.Name, Class = (uint)p.Class, Value = UnsafeByteOperations.UnsafeWrap(p.Value) }));
        return request;
    }

    /// <summary>The environment of a script on the host, in pinned arrays that the caller wipes.</summary>
    /// <param name="path">Where it finds programs.</param>
    /// <param name="temporary">A folder for its files, which goes with the operation.</param>
    /// <param name="socket">Its half's socket; null for a script that is no half.</param>
    /// <param name="more">What it finds besides.</param>
    public IReadOnlyList<byte[]> ToEnvironment(string path, string temporary, string? socket, IEnumerable<KeyValuePair<string, string>> more)
    {
        var variables = new Dictionary<string, string>(Description([.. Request.Disks.Select(d => d.Path)]))
        {
            [OperationProcesses.ScriptVariable] = Id,
            [ScriptVariables.Action] = OsDefinition.ScriptName(Request.Action),
            [ScriptVariables.Instance] = Record.Name,
            ["CHANNELSDK_DEFINITION"] = Definition.Folder,
            ["PATH"] = path,
            ["TMPDIR"] = temporary,
        };
        foreach (var (name, value) in more)
        {
            variables[name] = value;
        }

        if (socket is not null)
        {
            variables[ScriptVariables.Socket] = socket;
        }

        return [.. variables.Select(v => Encoding.UTF8.GetBytes($"{v.Key}={v.Value}")), .. Parameters.Select(Variable)];
    }

    /// <summary>What a script of the host may ask for, by reference: a secret has no copy. Its owner wipes it when the operation is over.</summary>
    public ScriptParameters ToScriptParameters()
    {
        var result = new ScriptParameters();
        foreach (var parameter in Parameters)
        {
            result.Add(parameter.Name, parameter.Value);
        }

        return result;
    }

    private IEnumerable<KeyValuePair<string, string>> Description(IReadOnlyList<string> diskPaths) =>
        InstanceDescription.Of(Request, Record, Definition, Variant, diskPaths);

    private static byte[] Variable(OperationParameter parameter)
    {
        var name = Encoding.ASCII.GetBytes(ScriptVariables.OfParameter(parameter.Name) + "=");
        var result = GC.AllocateUninitializedArray<byte>(name.Length + parameter.Value.Length, pinned: true);
        name.CopyTo(result, 0);
        parameter.Value.Span.CopyTo(result.AsSpan(name.Length));
        return result;
    }
}
