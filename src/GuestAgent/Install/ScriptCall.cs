using System.Text;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>One run of the half's script, with what it writes and is given.</summary>
internal sealed class ScriptCall : IDisposable
{
    private const uint MostProcesses = 4096;
    private readonly ExecProcess _process;

    private ScriptCall(ExecProcess process, ExecPump pump) => (_process, Pump) = (process, pump);

    /// <summary>Takes its input and tells its end.</summary>
    public ExecPump Pump { get; }

    /// <summary>Starts the script.</summary>
    /// <param name="spec">Of the operation.</param>
    /// <param name="folder">Where the script is, and begins.</param>
    /// <param name="target">Where it is to mount the system.</param>
    /// <param name="name">Unique among the programs of this agent.</param>
    /// <param name="variables">What it finds in its environment besides.</param>
    /// <param name="send">Takes what it writes, in messages of <see cref="Services.Exec.ExecMessage"/> kind, on the pump's thread.</param>
    /// <param name="capture">What of its output is taken.</param>
    /// <param name="onExtra">Takes what it writes to its further descriptor, and nothing at the end; null: it has none.</param>
    /// <exception cref="ChannelException">It cannot be started.</exception>
    public static ScriptCall Start(
        InstallSpec spec, InstallFolder folder, string target, string name, IEnumerable<KeyValuePair<string, string>> variables,
        Func<ReadOnlyMemory<byte>, bool> send, ExecCapture capture, Action<ReadOnlyMemory<byte>>? onExtra = null)
    {
        var request = new ExecRequest
        {
            Argv = { ByteString.CopyFromUtf8($"{folder.Scripts}/{spec.Action}") },
            Environment =
            {
                // First, so that it is found where the environment is long.
                Variable(ScriptVariables.Socket, folder.Socket), Variable(ScriptVariables.Action, spec.Action),
                Variable(ScriptVariables.Instance, spec.Instance), Variable(ScriptVariables.Target, target),
                variables.Select(static v => Variable(v.Key, v.Value)), spec.Variables,
            },
            WorkingFolder = ByteString.CopyFromUtf8(folder.Scripts),
            MaxProcesses = MostProcesses,
        };
        if (spec.Action == InstallNames.Verify)
        {
            request.Argv.Add(ByteString.CopyFromUtf8(InstallNames.VerifiedParameters));
        }

        var program = ExecSpec.Parse(request);
        try
        {
            var process = ExecProcess.Start(program, name, capture with { Extra = onExtra is not null });
            return new ScriptCall(process, new ExecPump(process, send, onExtra));
        }
        catch (FileException e) when (e.Errno == Errno.ENOENT && folder.MissingInterpreter(spec.Action) is { } missing)
        {
            throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused,
                $"the script {spec.Action} cannot be run in the appliance: {LogText.Escape(missing, 100)}, which its first line names, is not there; put it into the appliance, or name another program", e);
        }
    }

    /// <summary>It has no standard input.</summary>
    public void EndInput() => _process.EndInput();

    /// <summary>Kills it with its process group.</summary>
    public void Kill() => _process.Kill();

    /// <inheritdoc/>
    public void Dispose() => Pump.Dispose();

    private static ByteString Variable(string name, string value) => UnsafeByteOperations.UnsafeWrap(Encoding.UTF8.GetBytes($"{name}={value}"));
}
