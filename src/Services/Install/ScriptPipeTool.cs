using ChannelSdk.Channels;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Install;

/// <summary>The tool's end of a stream between the halves: standard input to the other half, or the other half's stream to standard output.</summary>
internal static class ScriptPipeTool
{
    /// <summary>Moves all of it.</summary>
    /// <exception cref="Protocol.Errors.ChannelException">It was not moved as a whole.</exception>
    /// <exception cref="IOException">Standard input or output fails.</exception>
    public static async Task RunAsync(ScriptPipeRequest request, Channel channel, Stream input, Stream output, CancellationToken cancellationToken)
    {
        var stream = await channel.OpenStreamAsync(ScriptMethods.Pipe, request, cancellationToken: cancellationToken).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            await ScriptPipe.WaitJoinedAsync(stream, cancellationToken).ConfigureAwait(false);
            await (request.IsWriter ? SendAsync(stream, input, cancellationToken) : ReceiveAsync(stream, output, cancellationToken)).ConfigureAwait(false);
            // Its side has moved all of it then.
            using var last = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task SendAsync(ChannelStream stream, Stream input, CancellationToken cancellationToken)
    {
        var buffer = new byte[ScriptPipe.PieceBytes];
        while (input.Read(buffer) is > 0 and var count)
        {
            await stream.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
        }

        await stream.WriteAsync(default, cancellationToken).ConfigureAwait(false);
    }

    private static async Task ReceiveAsync(ChannelStream stream, Stream output, CancellationToken cancellationToken)
    {
        while (await ScriptPipe.ReadAsync(stream, cancellationToken).ConfigureAwait(false) is { } message)
        {
            using (message)
            {
                output.Write(message.Span);
            }
        }

        output.Flush();
        await stream.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }
}
