using ChannelSdk.Channels.Links;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels;

/// <summary>Gives the session what comes: a link's bytes as they are received, and the time when something is due.</summary>
internal sealed class LinkReader
{
    /// <summary>Microseconds until room is looked for again.</summary>
    private const long CongestionPause = 1000;

    private readonly ChannelCore _core;
    private readonly SessionEngine _session;
    private readonly ReceiveBuffer _buffer;

    public LinkReader(ChannelCore core, SessionEngine session)
    {
        (_core, _session) = (core, session);
        _buffer = new ReceiveBuffer(core.Options.ReceiveBufferMin, core.Options.ReceiveBufferMax);
        session.Timer.Due = OnDue;
    }

    /// <summary>Under the lock: a link begins.</summary>
    public void Open() => _buffer.Open();

    /// <summary>Under the lock: the link has ended.</summary>
    public void Close() => _buffer.Close();

    /// <summary>Receives until the link ends, or must end. What the transport throws comes out of here.</summary>
    /// <param name="link">The link.</param>
    /// <param name="stopping">Ends the pauses of a rate limit.</param>
    public async ValueTask ReceiveAsync(ITransportLink link, CancellationToken stopping)
    {
        while (true)
        {
            Memory<byte> space;
            long pausedUntil;
            lock (_core.Gate)
            {
                pausedUntil = _session.IsCongested() ? _core.Now + CongestionPause : _session.Session.ReceivePausedUntil;
                space = _buffer.GetSpace();
            }

            if (pausedUntil > _core.Now && !stopping.IsCancellationRequested)
            {
                await _core.WaitAsync(TimeSpan.FromMilliseconds((pausedUntil - _core.Now + 999) / 1000), stopping).ConfigureAwait(false);
                if (ReceiveUnread())
                {
                    return;
                }

                continue;
            }

            var count = await link.ReceiveAsync(space).ConfigureAwait(false);
            if (count == 0)
            {
                return;
            }

            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)space.Length, "received");

            bool failed;
            lock (_core.Gate)
            {
                _buffer.Add(count);
                _session.BytesIn += count;
                failed = Feed();
            }

            _core.Callbacks.Run();
            _session.Sender.Flush();
            if (failed)
            {
                return;
            }
        }
    }

    /// <summary>After a pause: what the session did not take before it. True: the link must be dropped.</summary>
    private bool ReceiveUnread()
    {
        bool failed;
        lock (_core.Gate)
        {
            failed = Feed();
        }

        _core.Callbacks.Run();
        _session.Sender.Flush();
        return failed;
    }

    /// <summary>Under the lock: gives the received bytes to the session. True: the link must be dropped.</summary>
    private bool Feed()
    {
        if (_core.Status.IsClosed)
        {
            // They are dropped; a socket closed with bytes unread would take back the last ones that it sent.
            _buffer.ConsumeAll();
            return false;
        }

        _buffer.Consume(_session.Rpc.Receive(_buffer.Unread, _core.Now));
        _session.Timer.Rearm();
        return NoteFault();
    }

    private bool NoteFault()
    {
        if (_session.Session.Fault is not { } fault)
        {
            return false;
        }

        _session.Link.NoteError(new ChannelException(fault.Code, ErrorClass.Fatal, fault.Text));
        return true;
    }

    private void OnDue()
    {
        try
        {
            Tick();
        }
        catch (Exception e)
        {
            // Out of a timer it would end the process.
            lock (_core.Gate)
            {
                _session.Link.NoteError(FaultReporter.Unexpected("the link failed unexpectedly", e));
            }

            _core.Faults.Report("the link failed unexpectedly", e);
            _ = _core.Faults.ObserveAsync(_session.Link.EndAsync());
        }
    }

    private void Tick()
    {
        bool failed;
        lock (_core.Gate)
        {
            if (_core.Status.IsClosed)
            {
                // The closer ends the link too.
                return;
            }

            _session.Timer.Clear();
            _session.Rpc.Tick(_core.Now);
            // An incomplete frame may hide the HELLO of a peer that restarted.
            failed = _buffer.Unread.IsEmpty ? NoteFault() : Feed();
            _session.Timer.Rearm();
        }

        _core.Callbacks.Run();
        _session.Sender.Flush();
        if (failed)
        {
            _ = _core.Faults.ObserveAsync(_session.Link.EndAsync());
        }
    }
}
