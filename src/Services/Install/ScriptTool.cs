using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.Services.Install;

/// <summary>
/// The tool of the scripts: one verb a call, standard input and output as they are, an exit code (<see cref="ScriptExitCode"/>).
/// The same in the appliance and on the host.
/// </summary>
/// <param name="input">Standard input; read by verbs that take their content from there.</param>
/// <param name="output">Standard output; only what was asked for goes there.</param>
/// <param name="complain">A line for standard error, unescaped.</param>
public sealed class ScriptTool(Stream input, Stream output, Action<string> complain)
{
    private const string DefaultStream = "stream";
    private static readonly string[] s_verbs = ["send", "receive", "barrier", "progress", "step", "result", "parameter", "log"];

    /// <summary>The verbs of the tool.</summary>
    public static IReadOnlyList<string> Verbs => s_verbs;

    /// <summary>Whether a word is a verb of the tool.</summary>
    /// <param name="word">The word.</param>
    public static bool IsVerb(string word) => Array.IndexOf(s_verbs, word) >= 0;

    /// <summary>How it is used, a line a word, indented by two.</summary>
    public const string Help = """
          send [TEXT]                     a message to the other half: TEXT, or else standard input
          receive [--timeout S]           the next message of the other half, to standard output
          send --stream [NAME] [--timeout S]      all of standard input to the other half's receive --stream
          receive --stream [NAME] [--timeout S]   what the other half's send --stream sends, to standard output
          barrier NAME [--timeout S]      wait until both halves have come here
          progress PERCENT [TEXT]         how far the innermost step is
          step NAME FROM TO               open a step from FROM to TO percent of the innermost one
          step --end                      close the innermost step
          result [TEXT]                   what the operation brings: TEXT, or else standard input
          parameter NAME                  the value of a parameter, to standard output
          log [--level LEVEL] [TEXT]      TEXT, or else each line of standard input; debug, info, warning or error
        Messages and results have at most 65536 bytes. S is in seconds, for instance 0.5; of a stream it is the time that the other
        half may take to come. Both ends of a stream succeed only if all of it has arrived.
        Exit codes: 0 done, 2 wrong arguments, 3 no operation ($CHANNELSDK_HALF), 4 not possible now, 5 failed,
        6 the other half has ended, 7 the timeout came first, 8 no such parameter.
        """;

    /// <summary>Executes one command line.</summary>
    /// <param name="arguments">The verb and its arguments.</param>
    /// <param name="socket">Value of CHANNELSDK_HALF; null if it is not set.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(IReadOnlyList<string> arguments, string? socket, CancellationToken cancellationToken = default)
    {
        try
        {
            // The arguments are checked before the call.
            var parsed = ScriptArguments.Parse(arguments);
            var pipe = parsed.IsStream ? PipeRequest(parsed) : null;
            var request = pipe is null ? Request(parsed) : null;
            if (string.IsNullOrEmpty(socket))
            {
                complain($"{ScriptVariables.Socket} is not set: this is for the scripts of an operation");
                return ScriptExitCode.NotReached;
            }

            await LocalSocket.CallAsync(socket, (channel, token) => pipe is null
                ? CallAsync(parsed, request!, channel, token) : ScriptPipeTool.RunAsync(pipe, channel, input, output, token), cancellationToken).ConfigureAwait(false);
            return ScriptExitCode.Done;
        }
        catch (ChannelException e)
        {
            complain(e.Code == ChannelError.EndpointMissing ? $"there is no operation at {socket} ({e.Message})" : e.Message);
            return ScriptExitCode.Of(e.Code);
        }
        catch (IOException e)
        {
            complain(e.Message);
            return ScriptExitCode.Failed;
        }
    }

    private static ScriptPipeRequest PipeRequest(ScriptArguments arguments) => new()
    {
        IsWriter = arguments.Verb == "send",
        Name = arguments.RequireOperands(0, 1) is [var name] ? name : DefaultStream,
        TimeoutMs = arguments.TimeoutMs,
    };

    private static ScriptRequest Request(ScriptArguments arguments)
    {
        switch (arguments.Verb)
        {
            case "send" or "result":
                return new ScriptRequest
                {
                    Verb = arguments.Verb == "send" ? ScriptVerb.Send : ScriptVerb.Result,
                    Content = arguments.RequireOperands(0, 1) is [var text] ? ByteString.CopyFromUtf8(text) : ByteString.Empty,
                };
            case "receive":
                arguments.RequireOperands(0, 0);
                return new ScriptRequest { Verb = ScriptVerb.Receive, TimeoutMs = arguments.TimeoutMs };
            case "barrier":
                return new ScriptRequest { Verb = ScriptVerb.Barrier, Name = arguments.RequireOperands(1, 1)[0], TimeoutMs = arguments.TimeoutMs };
            case "progress":
                var operands = arguments.RequireOperands(1, int.MaxValue);
                return new ScriptRequest
                {
                    Verb = ScriptVerb.Progress,
                    MilliPercent = Percent(operands[0]),
                    Text = InstallWire.Cut(string.Join(' ', operands[1..]), ScriptLimits.MaxText),
                };
            case "step":
                return Step(arguments);
            case "parameter":
                return new ScriptRequest { Verb = ScriptVerb.Parameter, Name = arguments.RequireOperands(1, 1)[0] };
            default:
                return new ScriptRequest { Verb = ScriptVerb.Log, Level = (uint)arguments.Level, Text = InstallWire.Cut(string.Join(' ', arguments.Operands), ScriptLimits.MaxLog) };
        }
    }

    private static ScriptRequest Step(ScriptArguments arguments)
    {
        if (arguments.IsEnd)
        {
            arguments.RequireOperands(0, 0);
            return new ScriptRequest { Verb = ScriptVerb.Step };
        }

        var operands = arguments.RequireOperands(3, 3);
        return operands[0].Length > 0
            ? new ScriptRequest { Verb = ScriptVerb.Step, Name = operands[0], MilliPercent = Percent(operands[1]), ToMilliPercent = Percent(operands[2]) }
            : throw ScriptArguments.Wrong("a step has a name; to close it: step --end");
    }

    private async Task CallAsync(ScriptArguments arguments, ScriptRequest request, Channel channel, CancellationToken token)
    {
        var takesInput = arguments.Operands.Count == 0;
        var lines = takesInput && request.Verb == ScriptVerb.Log ? new BoundedLines(input) : null;
        if (takesInput && request.Verb is (ScriptVerb.Send or ScriptVerb.Result))
        {
            request.Content = Content();
        }

        var text = request.Text;
        while (lines is null || lines.TryNext(out text))
        {
            request.Text = InstallWire.Cut(text, ScriptLimits.MaxLog);
            var reply = await channel.CallAsync(ScriptMethods.Call, request, default, token).ConfigureAwait(false);
            output.Write(reply.Content.Span);
            if (lines is null)
            {
                break;
            }
        }

        output.Flush();
    }

    private ByteString Content()
    {
        var buffer = new byte[ScriptLimits.MaxMessage + 1];
        var length = input.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return length <= ScriptLimits.MaxMessage
            ? UnsafeByteOperations.UnsafeWrap(buffer.AsMemory(0, length))
            : throw ScriptArguments.Wrong($"at most {ScriptLimits.MaxMessage} bytes are taken; standard input has more");
    }

    /// <summary>Thousandths. The receiver checks the range.</summary>
    private static uint Percent(string text) => ScriptArguments.Thousandths(text) is { } milliPercent
        ? milliPercent
        : throw ScriptArguments.Wrong($"'{InstallWire.Cut(text, 40)}' is no percent; write a number from 0 to 100, for instance 12.5");
}
