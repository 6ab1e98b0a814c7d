using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Transports;
using Google.Protobuf;

namespace ChannelSdk.Runtime.Halves;

/// <summary>
/// Serves a half to its script on a Unix socket (mode 0600), with the channel itself. A script may have several tools running
/// at a time, for instance one that waits for messages in the background.
/// </summary>
public sealed class HalfServer : IAsyncDisposable
{
    private readonly SharedListener _listener;
    private readonly Channel[] _channels = new Channel[HalfLimits.MaxCalls];
    private int _isDisposed;

    /// <summary>Listens from now on.</summary>
    /// <param name="path">Of the socket: absolute, at most 107 bytes, in a folder that only the script's user may enter.</param>
    /// <param name="half">What is served; stays the caller's.</param>
    /// <exception cref="ChannelException">BadEndpointUri, or an error of the 5xx for a path where it cannot listen.</exception>
    public HalfServer(string path, ScriptHalf half)
    {
        _listener = new SharedListener(TransportEndpoints.Create("unix-listen://" + path));
        var services = new ServiceRegistry();
        services.Unary(ServiceMethods.HalfCall, (request, context) => ServeAsync(half, request, context.CancellationToken));
        for (var i = 0; i < _channels.Length; i++)
        {
            _channels[i] = new Channel(PeerRole.Guest, _listener.Share(), services, LocalSocket.Options);
            _channels[i].Start();
        }
    }

    /// <summary>Ends all calls and removes the socket.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            await Task.WhenAll(Array.ConvertAll(_channels, static channel => channel.DisposeAsync().AsTask())).ConfigureAwait(false);
            await _listener.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static async ValueTask<HalfReply> ServeAsync(ScriptHalf half, HalfRequest untrusted, CancellationToken caller)
    {
        var reply = new HalfReply();
        switch (untrusted.Verb)
        {
            case HalfVerb.Receive:
                reply.Content = UnsafeByteOperations.UnsafeWrap(await half.ReceiveAsync(untrusted.TimeoutMs, caller).ConfigureAwait(false));
                break;
            case HalfVerb.Parameter:
                reply.Content = UnsafeByteOperations.UnsafeWrap(half.Parameter(untrusted.Name));
                break;
            default:
                await Tell(half, untrusted, caller).ConfigureAwait(false);
                break;
        }

        return reply;
    }

    private static ValueTask Tell(ScriptHalf half, HalfRequest untrusted, CancellationToken caller) => untrusted.Verb switch
    {
        HalfVerb.Send => half.SendAsync(untrusted.Content.Memory, caller),
        HalfVerb.Barrier => half.BarrierAsync(untrusted.Name, untrusted.TimeoutMs, caller),
        HalfVerb.Progress => half.ProgressAsync(untrusted.MilliPercent, untrusted.Text, caller),
        HalfVerb.Step when untrusted.Name.Length == 0 => half.CloseStepAsync(caller),
        HalfVerb.Step => half.OpenStepAsync(untrusted.Name, untrusted.MilliPercent, untrusted.ToMilliPercent, caller),
        HalfVerb.Result => half.ResultAsync(untrusted.Content.Memory, caller),
        HalfVerb.Log => half.LogAsync(untrusted.Level, untrusted.Text, caller),
        _ => throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"{(int)untrusted.Verb} is nothing that a half can be asked"),
    };
}
