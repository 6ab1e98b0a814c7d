using System.Globalization;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using ChannelSdk.Channels;
using ChannelSdk.Host.Options;
using ChannelSdk.Host.Qga;
using ChannelSdk.Host.Telemetry;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Services;
using Channel = ChannelSdk.Channels.Channel;

namespace ChannelSdk.Host.Connection;

/// <summary>
/// The connection to an instance's agent. If a fallback to qemu-ga is given, this waits for the SDK's agent first; qemu-ga is used until that was
/// heard, and never again after that.
/// </summary>
internal sealed class AgentConnection : IAsyncDisposable
{
    private const int EventRoom = 1024;

    private readonly Channel _own;
    private readonly Channel? _fallback;
    private readonly QgaEndpoint? _qga;
    private readonly IReadOnlyList<string> _hostMay;
    private readonly TimeSpan _qgaAfter;
    private readonly Lock _gate = new();
    private FallbackState _state;

    /// <summary>Begins to talk over our own channel.</summary>
    /// <param name="own">The channel, not started yet.</param>
    /// <param name="ownEndpoint">Its endpoint if that leads to qemu-ga, or null.</param>
    /// <param name="fallback">A channel to qemu-ga and its endpoint, for guests that may have nothing else; null without one.</param>
    /// <param name="hostMay">The methods that the host may call.</param>
    /// <param name="callTimeout">Deadline of a call that gives none.</param>
    /// <param name="qgaAfter">How long to wait for the SDK's agent.</param>
    /// <param name="time">The clock.</param>
    /// <param name="telemetry">Logs and counts what clients do.</param>
    public AgentConnection(
        Channel own,
        QgaEndpoint? ownEndpoint,
        (Channel Channel, QgaEndpoint Endpoint)? fallback,
        IReadOnlyList<string> hostMay,
        TimeSpan callTimeout,
        TimeSpan qgaAfter,
        TimeProvider time,
        InstanceTelemetry telemetry)
    {
        (_own, _fallback, _qga) = (own, fallback?.Channel, ownEndpoint ?? fallback?.Endpoint);
        (_hostMay, CallTimeout, _qgaAfter) = (hostMay, callTimeout, qgaAfter);
        (Time, Telemetry) = (time, telemetry);
        _state = _fallback is null ? FallbackState.None : FallbackState.Waiting;
        _own.SetState(StateWord.Ready);
        _own.Start();
    }

    /// <summary>The channel in use.</summary>
    public Channel Channel => _fallback is not null && State == FallbackState.InUse ? _fallback : _own;

    /// <summary>All its channels, in use or not.</summary>
    public IEnumerable<Channel> Channels => _fallback is null ? [_own] : [_own, _fallback];

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>Is told what clients do.</summary>
    public InstanceTelemetry Telemetry { get; }

    /// <summary>The agent in use.</summary>
    public AgentKind Agent => _qga is not null && State is FallbackState.None or FallbackState.InUse ? AgentKind.QemuGuestAgent : AgentKind.ChannelAgent;

    /// <summary>Raw commands of the QEMU guest agent; null without one, or where the policy does not let the host call everything.</summary>
    public QgaClient? Qga => MethodPattern.Matches(_hostMay, MethodPattern.Any) ? _qga?.Client : null;

    /// <summary>Deadline of a call that gives none.</summary>
    public TimeSpan CallTimeout { get; }

    /// <summary>Once our own agent was heard it is the one; a call to it waits until it is back.</summary>
    private FallbackState State
    {
        get
        {
            lock (_gate)
            {
                if (_state == FallbackState.InUse && _own.Status.SessionId is not null)
                {
                    _state = FallbackState.OwnHeard;
                }

                return _state;
            }
        }
    }

    /// <summary>Waits until an agent is connected.</summary>
    public async Task WaitReadyAsync(CancellationToken cancellationToken)
    {
        if (_fallback is null || State == FallbackState.InUse)
        {
            await Channel.WaitReadyAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        // The waits that are left when one of them has ended end with this method.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var own = _own.WaitReadyAsync(ended.Token).AsTask();
        var fallback = Task.CompletedTask;
        var usesFallback = false;
        try
        {
            await Task.WhenAny(own, Task.Delay(_qgaAfter, Time, ended.Token)).ConfigureAwait(false);
            if (!own.IsCompleted)
            {
                StartFallback(_fallback);
                fallback = _fallback.WaitReadyAsync(ended.Token).AsTask();
                await Task.WhenAny(own, fallback).ConfigureAwait(false);
                usesFallback = !own.IsCompleted;
                UseFallback(usesFallback);
            }

            await (usesFallback ? fallback : own).ConfigureAwait(false);
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await own.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await fallback.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>
    /// Waits for the agent, as long as a call may take. For calls with another time limit, or none: without a link they
    /// would wait without end.
    /// </summary>
    /// <param name="method">The method to be called; there is no wait for one that the host's own policy refuses.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.DeadlineExceeded"/>: there was no agent in time; nothing was sent.</exception>
    public async Task ReachAsync(MethodDescriptor method, CancellationToken cancellationToken)
    {
        if (!MethodPattern.Matches(_hostMay, method.Name))
        {
            return;
        }

        using var soon = new TimeLimit(CallTimeout, Time, cancellationToken);
        try
        {
            await Channel.WaitReadyAsync(soon.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.Retry,
                string.Create(CultureInfo.InvariantCulture, $"the guest's agent was not there within {CallTimeout.TotalSeconds:0.###} s; nothing was asked of it"));
        }
    }

    /// <summary>Events from now on, of whichever agent is in use by then.</summary>
    public IAsyncEnumerable<ChannelEvent> WatchAsync(CancellationToken cancellationToken) =>
        _fallback is null ? _own.WatchAsync(cancellationToken) : WatchBothAsync(_fallback, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() =>
        await Task.WhenAll(_own.DisposeAsync().AsTask(), _fallback?.DisposeAsync().AsTask() ?? Task.CompletedTask).ConfigureAwait(false);

    private async IAsyncEnumerable<ChannelEvent> WatchBothAsync(Channel fallback, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // As of one channel's watcher, who does not read loses the oldest.
        var events = System.Threading.Channels.Channel.CreateBounded<ChannelEvent>(new BoundedChannelOptions(EventRoom) { FullMode = BoundedChannelFullMode.DropOldest });
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] pumps = [PumpAsync(_own, events.Writer, ended.Token), PumpAsync(fallback, events.Writer, ended.Token)];
        _ = Task.WhenAll(pumps).ContinueWith(_ => events.Writer.TryComplete(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            await foreach (var one in events.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                yield return one;
            }
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(pumps).ConfigureAwait(false);
        }
    }

    private static async Task PumpAsync(Channel channel, ChannelWriter<ChannelEvent> events, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var one in channel.WatchAsync(cancellationToken).ConfigureAwait(false))
            {
                events.TryWrite(one);
            }
        }
        catch (OperationCanceledException)
        {
            // The last watcher has gone.
        }
    }

    // Not before it is needed: others may want the socket, which takes one client at a time.
    private void StartFallback(Channel fallback)
    {
        lock (_gate)
        {
            if (_state != FallbackState.Waiting)
            {
                return;
            }

            _state = FallbackState.Started;
        }

        fallback.SetState(StateWord.Ready);
        fallback.Start();
    }

    private void UseFallback(bool isUsed)
    {
        lock (_gate)
        {
            if (_state is FallbackState.Started or FallbackState.InUse)
            {
                _state = isUsed ? FallbackState.InUse : FallbackState.Started;
            }
        }
    }

    /// <summary>What has become of qemu-ga as the way to a guest.</summary>
    private enum FallbackState
    {
        /// <summary>There is no second way.</summary>
        None,

        /// <summary>Its socket is not opened yet.</summary>
        Waiting,

        /// <summary>Its socket is open, and our own agent is used.</summary>
        Started,

        /// <summary>It is used, as our own agent was never heard.</summary>
        InUse,

        /// <summary>Our own agent was heard after it had been used.</summary>
        OwnHeard,
    }
}
