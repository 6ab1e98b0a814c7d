using ChannelSdk.Protocol;

namespace ChannelSdk.Runtime.Halves;

/// <summary>Messages between the halves: a bounded queue of what has come, and the room that is left with the other half.</summary>
internal sealed class HalfMessages(HalfSignal signal, IHalfOutlet outlet)
{
    private static readonly object s_taken = new();
    private readonly Queue<byte[]> _come = new();
    private int _underWay;

    public async ValueTask SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        HalfBytes.Check(message.Length, "a message");
        await signal.WaitAsync(TakeRoom, 0, "sending", cancellationToken).ConfigureAwait(false);
        await outlet.SendAsync(InstallMessage.Message, message).ConfigureAwait(false);
    }

    public async ValueTask<byte[]> ReceiveAsync(uint timeoutMs, CancellationToken cancellationToken)
    {
        var message = await signal.WaitAsync(Take, timeoutMs, "waiting for a message of the other half", cancellationToken).ConfigureAwait(false);
        await outlet.SendAsync(InstallMessage.Taken, default).ConfigureAwait(false);
        return message;
    }

    /// <summary>Of the other side.</summary>
    public void Add(ReadOnlySpan<byte> untrustedMessage)
    {
        lock (signal.Gate)
        {
            if (untrustedMessage.Length > HalfLimits.MaxMessage || _come.Count >= HalfLimits.Room)
            {
                throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun,
                    $"the other side sent a message of {untrustedMessage.Length} bytes with {_come.Count} not taken; allowed are {HalfLimits.MaxMessage} and {HalfLimits.Room}");
            }

            _come.Enqueue(untrustedMessage.ToArray());
            signal.Change();
        }
    }

    /// <summary>The other half has received one.</summary>
    public void Taken()
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

    private object? TakeRoom()
    {
        signal.ThrowIfPeerEnded();
        if (_underWay == HalfLimits.Room)
        {
            return null;
        }

        _underWay++;
        return s_taken;
    }

    private byte[]? Take()
    {
        if (_come.TryDequeue(out var message))
        {
            return message;
        }

        signal.ThrowIfPeerEnded();
        return null;
    }
}
