using System.Buffers.Binary;
using ChannelSdk.Linux.Memory;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Channels;

/// <summary>
/// What the parts of one channel share: the lock, the protocol's state under it, the clock, and each other. A part works under the
/// lock where it says so; deferred callbacks run once the lock is free.
/// </summary>
internal sealed class ChannelCore
{
    private readonly TimeProvider _time;

    public ChannelCore(PeerRole role, ServiceRegistry services, ChannelOptions options, TimeProvider time)
    {
        (Options, _time) = (options, time);
        Events = new EventHub(options.EventBacklog, time);
        Status = new StatusTracker(this);
        Faults = new FaultReporter(this);
        Callbacks = new CallbackRunner(this);
        Timer = new SessionTimer(this, time);
        Link = new ActiveLink(this, time);
        Sender = new SendPump(this);
        Rpc = new RpcPeer(role, options.Session, options.MaxMessage, options.AssemblyBytes, new CallDispatcher(this, services), Status, NextNonce);
    }

    /// <summary>Guards <see cref="Rpc"/> and the state of all parts. Nothing of a user runs under it.</summary>
    public Lock Gate { get; } = new();

    public RpcPeer Rpc { get; }

    public ChannelOptions Options { get; }

    public EventHub Events { get; }

    public StatusTracker Status { get; }

    public FaultReporter Faults { get; }

    public CallbackRunner Callbacks { get; }

    public SessionTimer Timer { get; }

    public ActiveLink Link { get; }

    public SendPump Sender { get; }

    /// <summary>Microseconds of a monotonic clock.</summary>
    public long Now => (long)_time.GetElapsedTime(0).TotalMicroseconds;

    /// <summary>Waits for a time, or until the channel stops; it does not throw then.</summary>
    public async Task WaitAsync(TimeSpan pause, CancellationToken stopping)
    {
        try
        {
            await Task.Delay(pause, _time, stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The caller looks at the token.
        }
    }

    private static UInt128 NextNonce()
    {
        Span<byte> bytes = stackalloc byte[16];
        KernelRandom.Fill(bytes);
        return BinaryPrimitives.ReadUInt128LittleEndian(bytes);
    }
}
