using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels.Links;

/// <summary>A link of which the first bytes were received already.</summary>
/// <param name="link">The link.</param>
/// <param name="first">The bytes.</param>
internal sealed class BegunLink(ITransportLink link, ReadOnlyMemory<byte> first) : ITransportLink, IHalfClose
{
    /// <summary>The most bytes that are received of a link before its HELLO is complete, which has 1048 at most.</summary>
    internal const int MostBefore = 4096;

    private ReadOnlyMemory<byte> _first = first;

    public PeerIdentity Peer => link.Peer;

    public bool IsGone => (link as IHalfClose)?.IsGone ?? false;

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        if (_first.IsEmpty)
        {
            return link.ReceiveAsync(buffer);
        }

        var count = Math.Min(buffer.Length, _first.Length);
        _first[..count].CopyTo(buffer);
        // The memory is let go with the last of them.
        _first = count < _first.Length ? _first[count..] : default;
        return new ValueTask<int>(count);
    }

    public ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer) => link.SendAsync(buffer);

    public void CompleteSend() => (link as IHalfClose)?.CompleteSend();

    public void Abort() => link.Abort();

    public ValueTask DisposeAsync() => link.DisposeAsync();
}
