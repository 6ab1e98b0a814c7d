using System.CommandLine;
using System.Text;
using ChannelSdk.Linux.Descriptors;

namespace ChannelSdk.Cli.Shared;

/// <summary>The standard streams of one run, as bytes for the commands that pass them on.</summary>
internal sealed class ToolStreams : InvocationConfiguration
{
    private ToolStreams()
    {
        // Errors and signals are the tool's own matter (Failure, ToolSignals).
        EnableDefaultExceptionHandler = false;
        ProcessTerminationTimeout = null;
    }

    /// <summary>What is given to this run; nothing if it was closed.</summary>
    public required Stream StandardInput { get; init; }

    /// <summary>Its output; goes nowhere if it was closed.</summary>
    public required Stream StandardOutput { get; init; }

    /// <summary>Its complaints; go nowhere if it was closed.</summary>
    public required Stream StandardError { get; init; }

    /// <summary>The streams of a command's run.</summary>
    public static ToolStreams Of(ParseResult parsed) => (ToolStreams)parsed.InvocationConfiguration;

    /// <summary>This process's, which the console writes to from now on. Closed ones are as /dev/null, as ssh has it.</summary>
    public static ToolStreams OfProcess()
    {
        var (output, error) = (DescriptorStream.Inherited(1), DescriptorStream.Inherited(2));
        Console.SetOut(Writer(output));
        Console.SetError(TextWriter.Synchronized(new BestEffortWriter(Writer(error))));
        return Of(DescriptorStream.Inherited(0), output, error);
    }

    /// <summary>Streams of the caller's, beside the console's writers.</summary>
    public static ToolStreams Of(Stream input, Stream output, Stream error) =>
        new() { StandardInput = input, StandardOutput = output, StandardError = error, Output = Console.Out, Error = Console.Error };

    /// <summary>Calls a function, on its own thread, once the output has no reader any more.</summary>
    public void OnReaderGone(Action then)
    {
        if (StandardOutput is DescriptorStream output)
        {
            new Thread(() =>
            {
                output.WaitBroken();
                then();
            })
            { IsBackground = true, Name = "channelctl-reader" }.Start();
        }
    }

    private static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };

    /// <summary>A complaint that cannot be written must not cause another one.</summary>
    private sealed class BestEffortWriter(TextWriter writer) : TextWriter
    {
        public override Encoding Encoding => writer.Encoding;

        public override void Write(char value) => Write(value.ToString());

        public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

        public override void Write(string? value)
        {
            try
            {
                writer.Write(value);
            }
            catch (IOException)
            {
                // See above.
            }
        }

        public override void WriteLine(string? value) => Write(value + "\n");
    }
}
