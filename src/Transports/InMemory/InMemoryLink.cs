using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.InMemory;

/// <summary>One end of an in-memory link: the reading end of one pipe and the writing end of the other.</summary>
internal sealed class InMemoryLink(MemoryPipe incoming, MemoryPipe outgoing, PeerIdentity peer) : ITransportLink
{
    public PeerIdentity Peer => peer;

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer) => incoming.ReadAsync(buffer);

    public ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer) => outgoing.WriteAsync(buffer);

    public void Abort()
    {
        outgoing.CloseWriter();
        incoming.CloseReader();
    }

    public ValueTask DisposeAsync()
    {
        Abort();
        return ValueTask.CompletedTask;
    }
}
