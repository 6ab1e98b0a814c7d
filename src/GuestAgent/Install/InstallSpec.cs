using System.Text;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using ChannelSdk.Transports.LinkLocal;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>A checked request to run the half of an operation.</summary>
internal sealed class InstallSpec
{
    private const int OperationBytes = 16;
    private const int MaxInstanceBytes = 255;
    private const int MaxParameters = 96;
    private readonly List<ByteString> _variables = [];

    private InstallSpec(InstallRunRequest request) =>
        (Operation, Action, Instance, HasProxy) = (Name(request.Operation), request.Action, request.Instance, request.HasProxy);

    /// <summary>The operation's name: 32 hexadecimal digits.</summary>
    public string Operation { get; }

    public string Action { get; }

    public string Instance { get; }

    public ScriptParameters Parameters { get; } = new();

    /// <summary>Whether the host serves as a proxy meanwhile.</summary>
    public bool HasProxy { get; }

    /// <summary>What the script finds in its environment, as NAME=value: what the host gave, and the parameters.</summary>
    public IReadOnlyList<ByteString> Variables => _variables;

    /// <summary>The disks whose data is moved, as the script sees them; none: it runs once.</summary>
    public IReadOnlyList<string> DataDevices { get; private init; } = [];

    /// <summary>The name of an operation in hexadecimal digits.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>.</exception>
    public static string Name(ByteString untrustedOperation) => untrustedOperation.Length == OperationBytes
        ? Convert.ToHexStringLower(untrustedOperation.Span)
        : throw Invalid($"the name of an operation has {OperationBytes} bytes");

    /// <summary>Checks a request.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>.</exception>
    public static InstallSpec Parse(InstallRunRequest untrusted)
    {
        var spec = new InstallSpec(untrusted) { DataDevices = untrusted.DataDevices };
        if (!InstallNames.IsAction(untrusted.Action))
        {
            throw Invalid("an action is create, export, import, rename or verify");
        }

        if (untrusted.Instance.Length == 0 || Encoding.UTF8.GetByteCount(untrusted.Instance) > MaxInstanceBytes || untrusted.Instance.Any(char.IsControl))
        {
            throw Invalid($"an instance's name has 1 to {MaxInstanceBytes} bytes without control characters");
        }

        if (untrusted.Environment.Count > ScriptLimits.MaxVariables || untrusted.Parameters.Count > MaxParameters)
        {
            throw Invalid($"at most {ScriptLimits.MaxVariables} variables and {MaxParameters} parameters are allowed");
        }

        if (untrusted.Environment.Sum(static text => (long)text.Length) + untrusted.Parameters.Sum(static p => (long)p.Value.Length) > ScriptLimits.MaxEnvironmentBytes)
        {
            throw Invalid($"variables and parameters together have at most {ScriptLimits.MaxEnvironmentBytes} bytes");
        }

        if (untrusted.DataDevices.Count > 0 && (untrusted.Action is not ("export" or "import") || untrusted.DataDevices.Count > ScriptLimits.MaxDisks || !untrusted.DataDevices.All(IsDevice)))
        {
            throw Invalid($"data is moved by an export or import, of at most {ScriptLimits.MaxDisks} disks with paths of 1 to {ScriptLimits.MaxDevice} bytes without control characters");
        }

        foreach (var variable in untrusted.Environment)
        {
            spec.Add(variable, variable.Span.StartsWith("OSP_"u8) || variable.Span.StartsWith("CHANNELSDK_"u8));
        }

        foreach (var parameter in untrusted.Parameters)
        {
            // Checks the name.
            spec.Parameters.Add(parameter.Name, parameter.Value.ToByteArray());
            spec.Add(UnsafeByteOperations.UnsafeWrap(
                (byte[])[.. Encoding.ASCII.GetBytes(ScriptVariables.OfParameter(parameter.Name)), (byte)'=', .. parameter.Value.Span]), isReserved: false);
        }

        return spec;
    }

    private static bool IsDevice(string path) => path.Length > 0 && Encoding.UTF8.GetByteCount(path) <= ScriptLimits.MaxDevice && !path.Any(char.IsControl);

    /// <summary>
    /// Tells the script of a proxy, by the variables that most programs read. What the agent itself serves in the guest is not
    /// behind it.
    /// </summary>
    public void UseProxy(int port)
    {
        foreach (var name in (string[])["http_proxy", "https_proxy"])
        {
            _variables.Add(ByteString.CopyFromUtf8($"{name}=http://127.0.0.1:{port}"));
        }

        _variables.Add(ByteString.CopyFromUtf8($"no_proxy=localhost,127.0.0.1,{LinkLocalAddresses.Host}"));
    }

    private void Add(ByteString variable, bool isReserved)
    {
        if (isReserved || variable.Span.Contains((byte)0))
        {
            throw Invalid("a variable's name does not begin with OSP_ or CHANNELSDK_, and no variable or parameter has a zero byte");
        }

        _variables.Add(variable);
    }

    private static ChannelException Invalid(string what) => new(ChannelError.InvalidArgument, ErrorClass.Refused, what);
}
