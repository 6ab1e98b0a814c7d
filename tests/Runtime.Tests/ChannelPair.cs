using ChannelSdk.Channels;
using ChannelSdk.Channels.Workers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.InMemory;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Runtime.Tests;

/// <summary>A guest and a host channel in this process, with a few methods on the guest.</summary>
internal sealed class ChannelPair : IAsyncDisposable
{
    public static readonly RpcMethod<BytesValue, BytesValue> Echo = new("test.Echo", StreamClass.Rpc);
    public static readonly RpcMethod<StringValue, Empty> Fail = new("test.Fail", StreamClass.Rpc);
    public static readonly RpcMethod<Empty, Empty> Hang = new("test.Hang", StreamClass.Rpc);
    public static readonly RpcMethod<Empty, Empty> Missing = new("test.Missing", StreamClass.Rpc);
    public static readonly StreamMethod<Empty> EchoStream = new("test.EchoStream", StreamClass.Bulk);
    public static readonly StreamMethod<Int64Value> Source = new("test.Source", StreamClass.Bulk);
    public static readonly StreamMethod<Empty> Sink = new("test.Sink", StreamClass.Bulk);

    private readonly InMemoryPair? _pair;

    public ChannelPair(ITransportEndpoint? guest = null, ITransportEndpoint? host = null, ChannelOptions? options = null, TimeProvider? hostTime = null, bool isIsolated = false)
    {
        if (guest is null || host is null)
        {
            _pair = new InMemoryPair();
            (guest, host) = (_pair.Guest, _pair.Host);
        }

        Guest = NewGuest(guest);
        Host = isIsolated
            ? WorkerChannel.Create(new WorkerInProcess(host, options ?? new ChannelOptions(), hostTime), new ServiceRegistry(), options, hostTime)
            : new Channel(PeerRole.Host, host, new ServiceRegistry(), options, hostTime);
        Guest.Start();
        Host.Start();
    }

    public Channel Guest { get; private set; }
    public Channel Host { get; }
    public TaskCompletionSource HangCancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public TaskCompletionSource HangStarted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public long Sunk;

    public static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public Channel NewGuest(ITransportEndpoint endpoint)
    {
        var services = new ServiceRegistry();
        services.Unary(Echo, static (request, _) => ValueTask.FromResult(request));
        services.Unary(Fail, static (request, _) => request.Value switch
        {
            "typed" => throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, "not you"),
            _ => throw new InvalidOperationException("secret text"),
        });
        services.Unary(Hang, async (_, context) =>
        {
            HangStarted.TrySetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
            }
            finally
            {
                HangCancelled.TrySetResult();
            }

            return new Empty();
        });
        services.Stream(EchoStream, static async (_, stream, context) =>
        {
            while (true)
            {
                using var message = await stream.ReadAsync(context.CancellationToken);
                if (message.IsEnd)
                {
                    return;
                }

                await stream.WriteAsync(message.Memory, context.CancellationToken);
            }
        });
        services.Stream(Source, static async (request, stream, context) =>
        {
            for (long i = 0; i < request.Value; i++)
            {
                await stream.WriteAsync(Numbered(i), context.CancellationToken);
            }
        });
        services.Stream(Sink, async (_, stream, context) =>
        {
            while (true)
            {
                using var message = await stream.ReadAsync(context.CancellationToken);
                if (message.IsEnd)
                {
                    return;
                }

                Interlocked.Add(ref Sunk, message.Memory.Length);
            }
        });
        return new Channel(PeerRole.Guest, endpoint, services);
    }

    public static byte[] Numbered(long n)
    {
        var bytes = new byte[10_000];
        BitConverter.TryWriteBytes(bytes, n);
        return bytes;
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        await Guest.DisposeAsync();
        if (_pair is not null)
        {
            await _pair.DisposeAsync();
        }
    }
}
