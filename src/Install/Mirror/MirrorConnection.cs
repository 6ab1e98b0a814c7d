using System.IO.Pipelines;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using Microsoft.AspNetCore.Connections;

namespace ChannelSdk.Install.Mirror;

/// <summary>
/// A channel's stream as a connection of Kestrel's. Nothing is read ahead of the request, and an answer is written as fast as the guest
/// takes it.
/// </summary>
internal sealed class MirrorConnection : DefaultConnectionContext, IDuplexPipe
{
    private readonly ChannelByteStream _bytes;
    private readonly CancellationTokenSource _closed = new();
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public MirrorConnection(ChannelStream stream, string id)
        : base(id)
    {
        _bytes = new ChannelByteStream(stream);
        Input = PipeReader.Create(_bytes, new StreamPipeReaderOptions(leaveOpen: true));
        Output = PipeWriter.Create(_bytes, new StreamPipeWriterOptions(leaveOpen: true));
        (Transport, ConnectionClosed) = (this, _closed.Token);
        Features.Set(this);
    }

    public PipeReader Input { get; }

    public PipeWriter Output { get; }

    /// <summary>Whether a request could be read.</summary>
    public bool HasRequest { get; set; }

    /// <summary>Whether its bytes are those of a tunnel.</summary>
    public bool IsTunnel { get; set; }

    /// <summary>Ends when the last answer was written; it faults if the connection was cut before.</summary>
    public Task Over => _over.Task;

    /// <summary>Ends the host's direction. The guest may go on.</summary>
    public ValueTask CompleteWritesAsync() => _bytes.CompleteWritesAsync();

    /// <summary>Ends it well without a further word of Kestrel's, which is not to answer what was answered already.</summary>
    public void End()
    {
        _over.TrySetResult();
        Abort(new ConnectionAbortedException());
    }

    /// <summary>Cuts it, so that the guest sees no end of the answer but an error.</summary>
    public override void Abort(ConnectionAbortedException abortReason)
    {
        _over.TrySetException(Cut());
        // A read that waits ends by this, and a write with the call.
        _ = _bytes.DisposeAsync().AsTask();
        _ = _closed.CancelAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await Input.CompleteAsync().ConfigureAwait(false);
        try
        {
            // With an error it drops what was not flushed.
            await Output.CompleteAsync(_closed.IsCancellationRequested ? Cut() : null).ConfigureAwait(false);
            _over.TrySetResult();
        }
        catch (IOException)
        {
            _over.TrySetException(Cut());
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    private static ChannelException Cut() => new(ChannelError.Cancelled, ErrorClass.MayHaveRun, "the connection to the proxy was cut");
}
