using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels;

/// <summary>
/// Opens the endpoint's links, one after the other, and leads each from its begin to its end. If an endpoint or a link throws,
/// the loop ends when it is stopped, not before.
/// </summary>
/// <param name="core">The channel.</param>
/// <param name="session">The session.</param>
/// <param name="endpoint">Where links come from; disposed of with this.</param>
internal sealed class LinkLoop(ChannelCore core, SessionEngine session, ITransportEndpoint endpoint) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly LinkReader _reader = new(core, session);
    private Task _running = Task.CompletedTask;

    /// <summary>Begins.</summary>
    public void Start() => _running = Task.Run(RunAsync);

    /// <summary>Ends the present link, the loop and the endpoint. The session was closed before: its goodbye goes out.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _stopping.CancelAsync().ConfigureAwait(false);
        }
        catch (AggregateException e)
        {
            core.Faults.Report("the endpoint failed to stop", e);
        }

        await core.Faults.ObserveAsync(session.Link.EndAsync(goodbye: _running)).ConfigureAwait(false);
        await core.Faults.ObserveAsync(_running).ConfigureAwait(false);
        await session.Timer.DisposeAsync().ConfigureAwait(false);
        await core.Faults.DisposeAsync(endpoint, "the endpoint could not be disposed of").ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        var retry = core.Options.RetryMin;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                lock (core.Gate)
                {
                    core.Status.OnOpening();
                }

                var link = await endpoint.OpenAsync(_stopping.Token).ConfigureAwait(false)
                    ?? throw new ChannelException(ChannelError.Internal, ErrorClass.Fatal, $"{endpoint.Uri} opened no link");
                core.Events.ClearEndpointFailure();
                // A link that failed by its peer's fault, or before it was up, must not make us spin.
                retry = await RunLinkAsync(link).ConfigureAwait(false) ? core.Options.RetryMin : Next(retry);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Any exception: this loop ends with the channel, not before.
                var error = FaultReporter.Unexpected("the endpoint failed unexpectedly", e);
                lock (core.Gate)
                {
                    core.Status.LastError = error;
                }

                core.Events.Publish(ChannelEventKind.EndpointFailed, error.Code, error.Message);
                retry = Next(retry);
            }

            await core.WaitAsync(retry * (0.5 + Random.Shared.NextDouble() / 2), _stopping.Token).ConfigureAwait(false);
        }

        TimeSpan Next(TimeSpan last) => TimeSpan.FromTicks(Math.Min(last.Ticks * 2, core.Options.RetryMax.Ticks));
    }

    /// <summary>One link from its begin to its end. True if it was up and the transport ended it, not an error of the protocol.</summary>
    private async Task<bool> RunLinkAsync(ITransportLink link)
    {
        var wasGood = false;
        if (TryBegin(link))
        {
            session.Sender.Flush();
            try
            {
                await _reader.ReceiveAsync(link, _stopping.Token).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                lock (core.Gate)
                {
                    session.Link.NoteError(FaultReporter.Unexpected("the link failed unexpectedly", e));
                }
            }

            await session.Link.EndAsync().ConfigureAwait(false);
            wasGood = End();
            core.Callbacks.Run();
        }

        await core.Faults.DisposeAsync(link, "a link could not be disposed of").ConfigureAwait(false);
        return wasGood;
    }

    /// <summary>False: the channel is closed, and its closer saw no link to end.</summary>
    private bool TryBegin(ITransportLink link)
    {
        var peer = link.Peer;
        lock (core.Gate)
        {
            if (core.Status.IsClosed)
            {
                return false;
            }

            session.Link.Attach(link);
            session.Sender.Attach();
            core.Status.OnLink(peer);
            _reader.Open();
            session.Session.LinkUp(core.Now);
            session.Timer.Rearm();
            return true;
        }
    }

    private bool End()
    {
        lock (core.Gate)
        {
            var wasUp = core.Status.State == ChannelState.Up;
            var error = session.Link.Detach();
            session.Sender.Detach();
            // Transports call every end of a link fatal, so the code tells what was the transport's doing.
            var byTransport = error.Class != ErrorClass.Fatal || error.Code is ChannelError.LinkLost or ChannelError.TransportFailed;
            session.Session.LinkDown(error.Code, error.Message, core.Now);
            core.Status.LastError = error;
            _reader.Close();
            session.Timer.Rearm();
            return (wasUp && byTransport) || error.Code == ChannelError.SessionClosed;
        }
    }
}
