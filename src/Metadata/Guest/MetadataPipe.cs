using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Guest;

/// <summary>
/// The ordered byte pipe between a host manager and its instance behind Ganeti's <c>read</c> and <c>write</c>. Both
/// directions are bounded; the guest's side never blocks. How the bytes are cut into pieces has no meaning.
/// </summary>
public sealed class MetadataPipe
{
    private readonly BoundedByteQueue _toGuest;
    private readonly BoundedByteQueue _fromGuest;

    internal MetadataPipe(int bytesEachWay) => (_toGuest, _fromGuest) = (new(bytesEachWay), new(bytesEachWay));

    /// <summary>Queues bytes for the guest; waits while there is no room for them.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: more than the pipe holds. <see cref="ChannelError.StreamClosed"/>: the instance is detached.</exception>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        if (bytes.Length > _toGuest.Capacity)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused,
                $"{bytes.Length} bytes are more than the pipe to the guest holds at all ({_toGuest.Capacity}); send them in pieces");
        }

        while (!_toGuest.TryAdd(bytes.ToArray()))
        {
            await _toGuest.WaitRoomAsync(bytes.Length, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The next bytes of the guest, in the order in which it wrote them; waits for some.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.StreamClosed"/>: the instance is detached.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReceiveAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (_fromGuest.TryTake() is { } bytes)
            {
                return bytes;
            }

            await _fromGuest.WaitDataAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Bytes that wait for the guest.</summary>
    internal int WaitingForGuest => _toGuest.Count;

    /// <summary>All that waits for the guest.</summary>
    internal byte[] DrainForGuest() => _toGuest.TakeAll();

    /// <summary>The guest's bytes; false if there is no room now.</summary>
    internal bool TryAddFromGuest(byte[] bytes) => _fromGuest.TryAdd(bytes);

    internal void Close()
    {
        _toGuest.Close();
        _fromGuest.Close();
    }
}
