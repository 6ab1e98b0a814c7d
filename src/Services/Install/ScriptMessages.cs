using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>Messages between the halves: a bounded queue of received ones, and the slots that are left at the other half.</summary>
internal sealed class ScriptMessages(ScriptSignal signal, IScriptSink sink)
{
    private static readonly object s_taken = new();
    private readonly Queue<byte[]> _come = new();
    private int _underWay;

    public async ValueTask SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        ScriptBounds.Check(message.Length, "a message");
        await signal.WaitAsync(ReserveSlot, null, "sending", cancellationToken).ConfigureAwait(false);
        await sink.SendAsync(InstallMessage.Message, message).ConfigureAwait(false);
    }

    public async ValueTask<byte[]> ReceiveAsync(TimeSpan? timeout, CancellationToken cancellationToken)
    {
        var message = await signal.WaitAsync(Dequeue, timeout, "waiting for a message of the other half", cancellationToken).ConfigureAwait(false);
        await sink.SendAsync(InstallMessage.Received, default).ConfigureAwait(false);
        return message;
    }

    /// <summary>Of the other side.</summary>
    public void Add(ReadOnlySpan<byte> untrustedMessage)
    {
        lock (signal.Gate)
        {
            if (untrustedMessage.Length > ScriptLimits.MaxMessage || _come.Count >= ScriptLimits.Room)
            {
                throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun,
                    $"the other side sent a message of {untrustedMessage.Length} bytes with {_come.Count} not taken; allowed are {ScriptLimits.MaxMessage} and {ScriptLimits.Room}");
            }

            _come.Enqueue(untrustedMessage.ToArray());
            signal.Change();
        }
    }

    /// <summary>The other half has received one.</summary>
    public void OnReceived()
    {
        lock (signal.Gate)
        {
            if (_underWay == 0)
            {
                throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "the other side says that it took a message that was not sent");
            }

            _underWay--;
            signal.Change();
        }
    }

    private object? ReserveSlot()
    {
        signal.ThrowIfPeerEnded();
        if (_underWay == ScriptLimits.Room)
        {
            return null;
        }

        _underWay++;
        return s_taken;
    }

    private byte[]? Dequeue()
    {
        if (_come.TryDequeue(out var message))
        {
            return message;
        }

        signal.ThrowIfPeerEnded();
        return null;
    }
}
