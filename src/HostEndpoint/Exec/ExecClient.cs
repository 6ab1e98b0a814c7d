using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using Google.Protobuf;

namespace ChannelSdk.Host.Exec;

/// <summary>Programs in the guest, where the image's policy allows them.</summary>
public sealed class ExecClient
{
    private readonly AgentConnection _connection;

    internal ExecClient(AgentConnection connection) => _connection = connection;

    /// <summary>Starts a program.</summary>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.NotFound"/> (no such program), <see cref="ChannelError.PermissionDenied"/> (by policy or by the guest's system), <see cref="ChannelError.InvalidArgument"/>, <see cref="ChannelError.ResourceExhausted"/>
    /// (too many run), or the stream failed.
    /// </exception>
    /// <exception cref="ArgumentException">An option that is not allowed.</exception>
    public async Task<ExecSession> StartAsync(ExecOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var request = new ExecRequest
        {
            WorkingFolder = ByteString.CopyFromUtf8(options.WorkingFolder),
            KeepOnSessionLoss = options.KeepOnSessionLoss,
            MaxProcesses = (uint)options.MaxProcesses,
            LinkLossMs = options.LinkLoss is { } loss ? (uint)loss.TotalMilliseconds : 0,
        };
        request.Argv.AddRange(options.Command.Select(ByteString.CopyFromUtf8));
        request.Environment.AddRange(options.Environment.Select(pair => ByteString.CopyFromUtf8($"{pair.Key}={pair.Value}")));
        var stream = await _connection.Channel.OpenStreamAsync(ExecMethods.Run, request, new CallOptions(AnswerWithin: _connection.CallTimeout), cancellationToken).ConfigureAwait(false);
        try
        {
            using var first = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (first.IsEnd || first.Span.IsEmpty || first.Span[0] != (byte)ExecMessage.Started)
            {
                throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "the guest did not say that the program was started");
            }

            return new ExecSession(_connection, stream, ParseStarted(first.Span[1..]));
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Runs a program to its end and gathers what it writes.</summary>
    /// <param name="options">The program.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="maxOutput">Most bytes of each output.</param>
    /// <param name="cancellationToken">Kills it.</param>
    /// <exception cref="ChannelException">As for <see cref="StartAsync"/>; <see cref="ChannelError.ResourceExhausted"/> too when it writes more, which kills it.</exception>
    public async Task<ExecResult> RunAsync(ExecOptions options, ReadOnlyMemory<byte> input = default, int maxOutput = 1 << 20, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(maxOutput);
        var session = await StartAsync(options, cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        var output = GatherAsync(session.StandardOutput, "output", maxOutput, cancellationToken);
        var error = GatherAsync(session.StandardError, "error", maxOutput, cancellationToken);
        var feeding = FeedAsync(session, input, cancellationToken);
        // The first failure ends the run, and with it the other tasks.
        List<Task> left = [output, error, feeding, session.ExitAsync(cancellationToken)];
        while (left.Count > 0)
        {
            var done = await Task.WhenAny(left).ConfigureAwait(false);
            await done.ConfigureAwait(false);
            left.Remove(done);
        }

        return new ExecResult(await session.ExitAsync(cancellationToken).ConfigureAwait(false), await output.ConfigureAwait(false), await error.ConfigureAwait(false));
    }

    private static ExecStarted ParseStarted(ReadOnlySpan<byte> untrusted)
    {
        try
        {
            return ExecStarted.Parser.ParseFrom(untrusted);
        }
        catch (InvalidProtocolBufferException)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "the guest's report that the program was started cannot be decoded");
        }
    }

    private static async Task FeedAsync(ExecSession session, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        try
        {
            await session.StandardInput.WriteAsync(input, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException e) when (e.Code == ChannelError.StreamClosed)
        {
            // It has ended without reading all; how, its exit tells.
        }

        await session.StandardInput.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task<ReadOnlyMemory<byte>> GatherAsync(Stream from, string name, int max, CancellationToken cancellationToken)
    {
        var gathered = new MemoryStream();
        var buffer = new byte[16 << 10];
        while (await from.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
        {
            if (gathered.Length + count > max)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.MayHaveRun, $"the program wrote more than {max} bytes to its standard {name} and was killed");
            }

            gathered.Write(buffer, 0, count);
        }

        return gathered.GetBuffer().AsMemory(0, (int)gathered.Length);
    }
}
