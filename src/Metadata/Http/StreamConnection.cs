using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace ChannelSdk.Metadata.Http;

/// <summary>Any duplex stream as a connection of Kestrel's. Both directions are pumped, so that a peer that goes away is noticed while a request waits.</summary>
internal sealed class StreamConnection
{
    private static readonly PipeOptions s_bounded = new(pauseWriterThreshold: 32 * 1024, resumeWriterThreshold: 16 * 1024, useSynchronizationContext: false);

    private readonly Stream _stream;
    private readonly Pipe _in = new(s_bounded);
    private readonly Pipe _out = new(s_bounded);

    public StreamConnection(Stream stream, string id)
    {
        _stream = stream;
        Context = new PumpedContext(id, new Ends(_in.Reader, _out.Writer), this);
    }

    public ConnectionContext Context { get; }

    /// <summary>Moves bytes until both directions have ended, and closes the stream.</summary>
    public async Task RunAsync()
    {
        var receive = ReceiveAsync();
        var send = SendAsync();
        await send.ConfigureAwait(false);
        // Nothing more can be answered, so nothing more is read: this ends the receive.
        await _stream.DisposeAsync().ConfigureAwait(false);
        await _in.Reader.CompleteAsync().ConfigureAwait(false);
        await receive.ConfigureAwait(false);
    }

    private async Task ReceiveAsync()
    {
        Exception? failure = null;
        try
        {
            while (true)
            {
                var length = await _stream.ReadAsync(_in.Writer.GetMemory(4096)).ConfigureAwait(false);
                _in.Writer.Advance(length);
                if (length == 0 || (await _in.Writer.FlushAsync().ConfigureAwait(false)).IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (IsStreamEnd(e))
        {
            failure = new ConnectionResetException("the stream ended", e);
        }

        await _in.Writer.CompleteAsync(failure).ConfigureAwait(false);
        ((PumpedContext)Context).SetClosed();
    }

    private async Task SendAsync()
    {
        try
        {
            while (true)
            {
                var result = await _out.Reader.ReadAsync().ConfigureAwait(false);
                foreach (var piece in result.Buffer)
                {
                    await _stream.WriteAsync(piece).ConfigureAwait(false);
                }

                await _stream.FlushAsync().ConfigureAwait(false);
                _out.Reader.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted || result.IsCanceled)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (IsStreamEnd(e))
        {
            // The peer has gone; the rest is dropped.
        }

        await _out.Reader.CompleteAsync().ConfigureAwait(false);
    }

    // A stream from elsewhere may fail in its own ways; none of them concerns any other connection.
    private static bool IsStreamEnd(Exception e) => e is not OutOfMemoryException;

    private sealed record Ends(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class PumpedContext : DefaultConnectionContext
    {
        private readonly StreamConnection _owner;
        private readonly CancellationTokenSource _closed = new();

        public PumpedContext(string id, IDuplexPipe transport, StreamConnection owner)
            : base(id)
        {
            (_owner, Transport, ConnectionClosed) = (owner, transport, _closed.Token);
        }

        public void SetClosed() => _ = _closed.CancelAsync();

        public override void Abort(ConnectionAbortedException abortReason)
        {
            _owner._stream.Dispose();
            _owner._out.Reader.CancelPendingRead();
            SetClosed();
        }

        public override async ValueTask DisposeAsync()
        {
            await Transport.Input.CompleteAsync().ConfigureAwait(false);
            await Transport.Output.CompleteAsync().ConfigureAwait(false);
            await base.DisposeAsync().ConfigureAwait(false);
        }
    }
}
