using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.Runtime.Halves;

/// <summary>
/// The tool of the scripts: one word a call, standard input and output as they are, an exit code (<see cref="HalfExit"/>).
/// The same in the appliance and on the host.
/// </summary>
/// <param name="input">Standard input; read by what takes its content from there.</param>
/// <param name="output">Standard output; only what was asked for goes there.</param>
/// <param name="complain">A line for standard error, unescaped.</param>
public sealed class HalfCommand(Stream input, Stream output, Action<string> complain)
{
    private static readonly string[] s_verbs = ["send", "receive", "barrier", "progress", "step", "result", "parameter", "log"];

    /// <summary>The words that it knows.</summary>
    public static IReadOnlyList<string> Verbs => s_verbs;

    /// <summary>Whether a word is one that it knows.</summary>
    /// <param name="word">The word.</param>
    public static bool IsVerb(string word) => Array.IndexOf(s_verbs, word) >= 0;

    /// <summary>How it is used, a line a word, indented by two.</summary>
    public const string Help = """
          send [TEXT]                     a message to the other half: TEXT, or else standard input
          receive [--timeout S]           the next message of the other half, to standard output
          barrier NAME [--timeout S]      wait until both halves have come here
          progress PERCENT [TEXT]         how far the innermost step is
          step NAME FROM TO               open a step from FROM to TO percent of the one that it is in
          step --end                      close the innermost step
          result [TEXT]                   what the operation brings: TEXT, or else standard input
          parameter NAME                  the value of a parameter, to standard output
          log [--level LEVEL] [TEXT]      TEXT, or else each line of standard input; debug, info, warning or error
        Messages and results have at most 65536 bytes. S is in seconds, for instance 0.5.
        Exit codes: 0 done, 2 wrong arguments, 3 no operation ($CHANNELSDK_HALF), 4 not possible now, 5 failed,
        6 the other half has ended, 7 the timeout came first, 8 no such parameter.
        """;

    /// <summary>Does one word.</summary>
    /// <param name="arguments">The word and what follows it.</param>
    /// <param name="socket">Value of CHANNELSDK_HALF; null if it is not set.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(IReadOnlyList<string> arguments, string? socket, CancellationToken cancellationToken = default)
    {
        try
        {
            // What the arguments say is checked before anybody is called.
            var words = HalfArguments.Parse(arguments);
            var request = Request(words);
            if (string.IsNullOrEmpty(socket))
            {
                complain($"{HalfVariables.Socket} is not set: this is for the scripts of an operation");
                return HalfExit.NotReached;
            }

            await LocalSocket.CallAsync(socket, (channel, token) => CallAsync(words, request, channel, token), cancellationToken).ConfigureAwait(false);
            return HalfExit.Done;
        }
        catch (ChannelException e)
        {
            complain(e.Code == ChannelError.EndpointMissing ? $"there is no operation at {socket} ({e.Message})" : e.Message);
            return HalfExit.Of(e.Code);
        }
        catch (IOException e)
        {
            complain(e.Message);
            return HalfExit.Failed;
        }
    }

    private static HalfRequest Request(HalfArguments arguments)
    {
        switch (arguments.Verb)
        {
            case "send" or "result":
                return new HalfRequest
                {
                    Verb = arguments.Verb == "send" ? HalfVerb.Send : HalfVerb.Result,
                    Content = arguments.RequireWords(0, 1) is [var text] ? ByteString.CopyFromUtf8(text) : ByteString.Empty,
                };
            case "receive":
                arguments.RequireWords(0, 0);
                return new HalfRequest { Verb = HalfVerb.Receive, TimeoutMs = arguments.TimeoutMs };
            case "barrier":
                return new HalfRequest { Verb = HalfVerb.Barrier, Name = arguments.RequireWords(1, 1)[0], TimeoutMs = arguments.TimeoutMs };
            case "progress":
                var words = arguments.RequireWords(1, int.MaxValue);
                return new HalfRequest
                {
                    Verb = HalfVerb.Progress, MilliPercent = Percent(words[0]), Text = HalfWire.Cut(string.Join(' ', words[1..]), HalfLimits.MaxText),
                };
            case "step":
                return Step(arguments);
            case "parameter":
                return new HalfRequest { Verb = HalfVerb.Parameter, Name = arguments.RequireWords(1, 1)[0] };
            default:
                return new HalfRequest { Verb = HalfVerb.Log, Level = arguments.Level, Text = HalfWire.Cut(string.Join(' ', arguments.Words), HalfLimits.MaxLog) };
        }
    }

    private static HalfRequest Step(HalfArguments arguments)
    {
        if (arguments.IsEnd)
        {
            arguments.RequireWords(0, 0);
            return new HalfRequest { Verb = HalfVerb.Step };
        }

        var words = arguments.RequireWords(3, 3);
        return words[0].Length > 0
            ? new HalfRequest { Verb = HalfVerb.Step, Name = words[0], MilliPercent = Percent(words[1]), ToMilliPercent = Percent(words[2]) }
            : throw HalfArguments.Wrong("a step has a name; to close it: step --end");
    }

    private async Task CallAsync(HalfArguments arguments, HalfRequest request, Channel channel, CancellationToken token)
    {
        var takesInput = arguments.Words.Count == 0;
        var lines = takesInput && request.Verb == HalfVerb.Log ? new HalfLines(input) : null;
        if (takesInput && request.Verb is (HalfVerb.Send or HalfVerb.Result))
        {
            request.Content = Content();
        }

        var text = request.Text;
        while (lines is null || lines.TryNext(out text))
        {
            request.Text = HalfWire.Cut(text, HalfLimits.MaxLog);
            var reply = await channel.CallAsync(ServiceMethods.HalfCall, request, default, token).ConfigureAwait(false);
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
        var buffer = new byte[HalfLimits.MaxMessage + 1];
        var length = input.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return length <= HalfLimits.MaxMessage
            ? UnsafeByteOperations.UnsafeWrap(buffer.AsMemory(0, length))
            : throw HalfArguments.Wrong($"at most {HalfLimits.MaxMessage} bytes are taken; standard input has more");
    }

    /// <summary>Thousandths. Whether it is one of a progress is for the one who is told it.</summary>
    private static uint Percent(string text) => HalfArguments.Thousandths(text) is { } milliPercent
        ? milliPercent
        : throw HalfArguments.Wrong($"'{HalfWire.Cut(text, 40)}' is no percent; write a number from 0 to 100, for instance 12.5");
}
