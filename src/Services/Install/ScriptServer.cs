using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf;

namespace ChannelSdk.Services.Install;

/// <summary>
/// Serves one side of an operation to its script on a Unix socket (mode 0600), with a channel for each tool that runs. A script may have several of them
/// at a time, for instance to wait for messages in the background.
/// </summary>
public sealed class ScriptServer : IAsyncDisposable
{
    private readonly ChannelListener _listener;

    /// <summary>Listens from now on.</summary>
    /// <param name="path">Of the socket: absolute, at most 107 bytes, in a folder that only the script's user may enter.</param>
    /// <param name="coordinator">What is served; stays the caller's.</param>
    /// <param name="pipes">Joins streams with those of the other half.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadEndpointUri"/>, or another error of the transport for a path where it cannot listen.</exception>
    public ScriptServer(string path, ScriptCoordinator coordinator, IScriptPipes pipes)
    {
        var services = new ServiceRegistry();
        services.Unary(ScriptMethods.Call, (request, context) => ServeAsync(coordinator, request, context.CancellationToken));
        services.Stream(ScriptMethods.Pipe, (request, tool, context) => MoveAsync(pipes, request, tool, context.CancellationToken));
        _listener = new ChannelListener(
            PeerRole.Guest, TransportEndpoints.Create("unix-listen://" + path), services, ScriptLimits.MaxCalls, LocalSocket.Options);
        _listener.Start();
        if (_listener.LastError is { } error)
        {
            // It has nothing open that would have to be disposed of, but would go on trying.
            _ = _listener.DisposeAsync().AsTask();
            throw error;
        }
    }

    /// <summary>Ends all calls and removes the socket.</summary>
    public ValueTask DisposeAsync() => _listener.DisposeAsync();

    /// <summary>How long a request lets something take; null: as long as the operation lasts.</summary>
    /// <param name="untrustedMs">Milliseconds; 0: no limit.</param>
    public static TimeSpan? Timeout(uint untrustedMs) => untrustedMs == 0 ? null : TimeSpan.FromMilliseconds(untrustedMs);

    private static async ValueTask MoveAsync(IScriptPipes pipes, ScriptPipeRequest untrusted, ChannelStream tool, CancellationToken caller)
    {
        ScriptPipes.Check(untrusted.Name);
        await pipes.MoveAsync(untrusted, tool, caller).ConfigureAwait(false);
    }

    private static async ValueTask<ScriptReply> ServeAsync(ScriptCoordinator coordinator, ScriptRequest untrusted, CancellationToken caller)
    {
        var reply = new ScriptReply();
        switch (untrusted.Verb)
        {
            case ScriptVerb.Receive:
                reply.Content = UnsafeByteOperations.UnsafeWrap(await coordinator.ReceiveAsync(Timeout(untrusted.TimeoutMs), caller).ConfigureAwait(false));
                break;
            case ScriptVerb.Parameter:
                reply.Content = UnsafeByteOperations.UnsafeWrap(coordinator.Parameter(untrusted.Name));
                break;
            default:
                await Tell(coordinator, untrusted, caller).ConfigureAwait(false);
                break;
        }

        return reply;
    }

    private static ValueTask Tell(ScriptCoordinator coordinator, ScriptRequest untrusted, CancellationToken caller) => untrusted.Verb switch
    {
        ScriptVerb.Send => coordinator.SendAsync(untrusted.Content.Memory, caller),
        ScriptVerb.Barrier => coordinator.BarrierAsync(untrusted.Name, Timeout(untrusted.TimeoutMs), caller),
        ScriptVerb.Progress => coordinator.ProgressAsync(Percent(untrusted.MilliPercent), untrusted.Text, caller),
        ScriptVerb.Step when untrusted.Name.Length == 0 => coordinator.CloseStepAsync(caller),
        ScriptVerb.Step => coordinator.OpenStepAsync(untrusted.Name, Percent(untrusted.MilliPercent), Percent(untrusted.ToMilliPercent), caller),
        ScriptVerb.Result => coordinator.ResultAsync(untrusted.Content.Memory, caller),
        ScriptVerb.Log => coordinator.LogAsync((InstallLogLevel)Math.Min(untrusted.Level, int.MaxValue), untrusted.Text, caller),
        _ => throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"{(int)untrusted.Verb} is no request of a script"),
    };

    private static double Percent(uint thousandths) => thousandths / 1000.0;
}
