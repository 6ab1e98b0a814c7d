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
    /// <summary>The words that it knows.</summary>
    public static IReadOnlyList<string> Verbs { get; } = ["send", "receive", "barrier", "progress", "step", "result", "parameter", "log"];

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
            var call = Prepare(HalfArguments.Parse(arguments));
            if (string.IsNullOrEmpty(socket))
            {
                complain($"{HalfVariables.Socket} is not set: this is for the scripts of an operation");
                return HalfExit.NotReached;
            }

            await LocalSocket.CallAsync(socket, call, cancellationToken).ConfigureAwait(false);
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

    // What the arguments say is checked before anybody is called.
    private Func<Channel, CancellationToken, Task<int>> Prepare(HalfArguments arguments)
    {
        switch (arguments.Verb)
        {
            case "send":
                var message = Content(arguments, "a message");
                return async (channel, token) => Done(await channel.CallAsync(ServiceMethods.HalfSend, new HalfSendRequest { Message = await message().ConfigureAwait(false) }, default, token).ConfigureAwait(false));
            case "receive":
                arguments.RequireWords(0, 0);
                return async (channel, token) => await WriteAsync(
                    (await channel.CallAsync(ServiceMethods.HalfReceive, new HalfReceiveRequest { TimeoutMs = arguments.TimeoutMs }, default, token).ConfigureAwait(false)).Message).ConfigureAwait(false);
            case "barrier":
                var barrier = new HalfBarrierRequest { Name = arguments.RequireWords(1, 1)[0], TimeoutMs = arguments.TimeoutMs };
                return async (channel, token) => Done(await channel.CallAsync(ServiceMethods.HalfBarrier, barrier, default, token).ConfigureAwait(false));
            case "progress":
                var words = arguments.RequireWords(1, int.MaxValue);
                var progress = new HalfProgressRequest { MilliPercent = Percent(words[0]), Text = HalfWire.Cut(string.Join(' ', words.Skip(1)), HalfLimits.MaxText) };
                return async (channel, token) => Done(await channel.CallAsync(ServiceMethods.HalfProgress, progress, default, token).ConfigureAwait(false));
            case "step":
                var step = Step(arguments);
                return async (channel, token) => Done(await channel.CallAsync(ServiceMethods.HalfStep, step, default, token).ConfigureAwait(false));
            case "result":
                var result = Content(arguments, "a result");
                return async (channel, token) => Done(await channel.CallAsync(ServiceMethods.HalfResult, new HalfResultRequest { Result = await result().ConfigureAwait(false) }, default, token).ConfigureAwait(false));
            case "parameter":
                var parameter = new HalfParameterRequest { Name = arguments.RequireWords(1, 1)[0] };
                return async (channel, token) => await WriteAsync(
                    (await channel.CallAsync(ServiceMethods.HalfParameter, parameter, default, token).ConfigureAwait(false)).Value).ConfigureAwait(false);
            default:
                return async (channel, token) => await LogAsync(arguments, channel, token).ConfigureAwait(false);
        }
    }

    private static HalfStepRequest Step(HalfArguments arguments)
    {
        if (arguments.IsEnd)
        {
            arguments.RequireWords(0, 0);
            return new HalfStepRequest();
        }

        var words = arguments.RequireWords(3, 3);
        return words[0].Length > 0
            ? new HalfStepRequest { Name = words[0], FromMilliPercent = Percent(words[1]), ToMilliPercent = Percent(words[2]) }
            : throw HalfArguments.Wrong("a step has a name; to close it: step --end");
    }

    private Func<Task<ByteString>> Content(HalfArguments arguments, string what)
    {
        if (arguments.RequireWords(0, 1) is [var text])
        {
            return () => Task.FromResult(ByteString.CopyFromUtf8(text));
        }

        return async () =>
        {
            var buffer = new byte[HalfLimits.MaxMessage + 1];
            var length = await input.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false).ConfigureAwait(false);
            return length <= HalfLimits.MaxMessage
                ? UnsafeByteOperations.UnsafeWrap(buffer.AsMemory(0, length))
                : throw HalfArguments.Wrong($"{what} has at most {HalfLimits.MaxMessage} bytes; standard input has more");
        };
    }

    private async Task<int> WriteAsync(ByteString content)
    {
        await output.WriteAsync(content.Memory).ConfigureAwait(false);
        await output.FlushAsync().ConfigureAwait(false);
        return HalfExit.Done;
    }

    private async Task<int> LogAsync(HalfArguments arguments, Channel channel, CancellationToken token)
    {
        if (arguments.Words.Count > 0)
        {
            await LineAsync(string.Join(' ', arguments.Words)).ConfigureAwait(false);
            return HalfExit.Done;
        }

        using var lines = new HalfLines(input);
        while (await lines.NextAsync(token).ConfigureAwait(false) is { } line)
        {
            await LineAsync(line).ConfigureAwait(false);
        }

        return HalfExit.Done;

        ValueTask<HalfLogReply> LineAsync(string text) => channel.CallAsync(
            ServiceMethods.HalfLog, new HalfLogRequest { Level = arguments.Level, Text = HalfWire.Cut(text, HalfLimits.MaxLog) }, default, token);
    }

    /// <summary>Thousandths. Whether it is one of a progress is for the one who is told it.</summary>
    private static uint Percent(string text) => HalfArguments.Thousandths(text) is { } milliPercent
            ? milliPercent
            : throw HalfArguments.Wrong($"'{HalfWire.Cut(text, 40)}' is no percent; write a number from 0 to 100, for instance 12.5");

    private static int Done(IMessage _) => HalfExit.Done;
}
