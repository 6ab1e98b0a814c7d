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
        Register(services, half);
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
            await Task.WhenAll(_channels.Select(static channel => channel.DisposeAsync().AsTask())).ConfigureAwait(false);
            await _listener.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static void Register(ServiceRegistry services, ScriptHalf half)
    {
        services.Unary(ServiceMethods.HalfSend, async (request, context) =>
        {
            await half.SendAsync(request.Message.Memory, context.CancellationToken).ConfigureAwait(false);
            return new HalfSendReply();
        });
        services.Unary(ServiceMethods.HalfReceive, async (request, context) => new HalfReceiveReply
        {
            Message = UnsafeByteOperations.UnsafeWrap(await half.ReceiveAsync(request.TimeoutMs, context.CancellationToken).ConfigureAwait(false)),
        });
        services.Unary(ServiceMethods.HalfBarrier, async (request, context) =>
        {
            await half.BarrierAsync(request.Name, request.TimeoutMs, context.CancellationToken).ConfigureAwait(false);
            return new HalfBarrierReply();
        });
        services.Unary(ServiceMethods.HalfProgress, async (request, context) =>
        {
            await half.ProgressAsync(request.MilliPercent, request.Text, context.CancellationToken).ConfigureAwait(false);
            return new HalfProgressReply();
        });
        services.Unary(ServiceMethods.HalfStep, async (request, context) =>
        {
            if (request.Name.Length == 0)
            {
                await half.CloseStepAsync(context.CancellationToken).ConfigureAwait(false);
            }
            else
            {
                await half.OpenStepAsync(request.Name, request.FromMilliPercent, request.ToMilliPercent, context.CancellationToken).ConfigureAwait(false);
            }

            return new HalfStepReply();
        });
        services.Unary(ServiceMethods.HalfResult, async (request, context) =>
        {
            await half.ResultAsync(request.Result.Memory, context.CancellationToken).ConfigureAwait(false);
            return new HalfResultReply();
        });
        services.Unary(ServiceMethods.HalfParameter, (request, _) => ValueTask.FromResult(new HalfParameterReply
        {
            Value = UnsafeByteOperations.UnsafeWrap(half.Parameter(request.Name)),
        }));
        services.Unary(ServiceMethods.HalfLog, async (request, context) =>
        {
            await half.LogAsync(request.Level, request.Text, context.CancellationToken).ConfigureAwait(false);
            return new HalfLogReply();
        });
    }
}
