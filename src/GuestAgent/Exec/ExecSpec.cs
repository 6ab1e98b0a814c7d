using System.Text;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Exec;

/// <summary>A checked request to run a program.</summary>
internal sealed class ExecSpec
{
    private const int MaxArguments = 32 << 10;
    // Less than Linux takes (ARG_MAX, 2 MiB), as a request is one message, of at most 256 KiB, with some bytes around each.
    private const int MaxArgumentBytes = 256_000;
    private const int BytesAroundOne = 4;
    // MAX_ARG_STRLEN of Linux, with the zero at the end.
    private const int MaxOneArgument = 131_071;
    private const int MaxVariables = 1024;
    private const int DefaultProcesses = 256;
    private const int MaxProcesses = 4096;

    private ExecSpec(byte[] program, byte[][] argv, byte[][] environment, RawPath folder, ExecRequest request)
    {
        (Program, Argv, Environment, Folder) = (program, argv, environment, folder);
        KeepOnSessionLoss = request.KeepOnSessionLoss;
        LinkLoss = request.LinkLossMs == 0 || request.KeepOnSessionLoss ? null : TimeSpan.FromMilliseconds(request.LinkLossMs);
        MostProcesses = request.MaxProcesses == 0 ? DefaultProcesses : (int)request.MaxProcesses;
        Arguments = [.. argv.Select(Encoding.UTF8.GetString)];
        Arguments[0] = Encoding.UTF8.GetString(program);
        Variables = [.. request.Environment.Select(static variable => variable.ToStringUtf8())];
    }

    /// <summary>Absolute path.</summary>
    public byte[] Program { get; }

    public IReadOnlyList<byte[]> Argv { get; }

    public IReadOnlyList<byte[]> Environment { get; }

    public RawPath Folder { get; }

    public bool KeepOnSessionLoss { get; }

    /// <summary>How long its session may be without a link before it is killed; null: as long as the session lives.</summary>
    public TimeSpan? LinkLoss { get; }

    public int MostProcesses { get; }

    /// <summary>The program's path and its arguments, for the policy.</summary>
    public string[] Arguments { get; }

    /// <summary>The variables that were asked for, for the policy.</summary>
    public string[] Variables { get; }

    /// <summary>For the log, as the record has it: arguments may hold secrets.</summary>
    public string Shown => $"{LogText.Escape(Arguments[0], 300)} with {Arguments.Length - 1} arguments";

    /// <summary>Checks a request and finds its program.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>, or <see cref="ChannelError.NotFound"/> for a program that is nowhere.</exception>
    public static ExecSpec Parse(ExecRequest untrusted)
    {
        if (untrusted.Argv.Count is 0 or > MaxArguments || untrusted.Argv[0].IsEmpty)
        {
            throw Invalid($"argv has 1 to {MaxArguments} entries and begins with a program");
        }

        if (untrusted.Environment.Count > MaxVariables || untrusted.MaxProcesses > MaxProcesses)
        {
            throw Invalid($"at most {MaxVariables} variables and {MaxProcesses} processes are allowed");
        }

        if (untrusted.Argv.Concat(untrusted.Environment).Sum(static text => text.Length + (long)BytesAroundOne) > MaxArgumentBytes)
        {
            throw Invalid($"arguments and environment together have at most {MaxArgumentBytes} bytes");
        }

        if (untrusted.Argv.Concat(untrusted.Environment).Any(static text => text.Length > MaxOneArgument))
        {
            throw Invalid($"an argument or variable has at most {MaxOneArgument} bytes");
        }

        if (untrusted.Argv.Concat(untrusted.Environment).Any(static text => text.Span.Contains((byte)0)))
        {
            throw Invalid("no argument or variable has a zero byte");
        }

        if (untrusted.Environment.Any(static variable => variable.Span.IndexOf((byte)'=') <= 0))
        {
            throw Invalid("a variable is NAME=value");
        }

        byte[][] argv = [.. untrusted.Argv.Select(static text => text.ToByteArray())];
        byte[][] environment = [.. untrusted.Environment.Select(static text => text.ToByteArray())];
        if (!Array.Exists(environment, static variable => variable.AsSpan().StartsWith("PATH="u8)))
        {
            environment = [Encoding.UTF8.GetBytes($"PATH={ProcessSpawn.SearchPath}"), .. environment];
        }

        var folder = RawPath.Parse(untrusted.WorkingFolder.IsEmpty ? ByteString.CopyFromUtf8("/") : untrusted.WorkingFolder);
        return new ExecSpec(Find(argv[0]), argv, environment, folder, untrusted);
    }

    private static byte[] Find(byte[] name)
    {
        var text = Encoding.UTF8.GetString(name);
        var shown = LogText.Escape(text, 300);
        if (name.Contains((byte)'/'))
        {
            var path = RawPath.Parse(ByteString.CopyFrom(name));
            return IsProgram(path.Text) ? name : throw Missing($"{path.Shown} is no program that can be run");
        }

        return ProcessSpawn.SearchPath.Split(':').Select(folder => $"{folder}/{text}").FirstOrDefault(IsProgram) is { } found
            ? Encoding.UTF8.GetBytes(found)
            : throw Missing($"there is no program {shown} in {ProcessSpawn.SearchPath}");
    }

    private static bool IsProgram(string path) => FileCalls.Access(path, Abi.X_OK) == 0 && !Directory.Exists(path);

    private static ChannelException Missing(string what) => new(ChannelError.NotFound, ErrorClass.Refused, what);

    private static ChannelException Invalid(string what) => new(ChannelError.InvalidArgument, ErrorClass.Refused, what);
}
