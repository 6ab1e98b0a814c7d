using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Bench.Core;

/// <summary>Consumes at once what comes; anything but data is a failure of the benchmark.</summary>
internal sealed class Consumer : ISessionHandler, ISessionEvents
{
    public Session? Owner { get; set; }

    public void OnEstablished(bool resumed)
    {
    }

    public void OnLinkLost(ChannelError error, string text) => throw new InvalidOperationException(text);

    public void OnSessionLost(ChannelError error, string text) => throw new InvalidOperationException(text);

    public void OnPeerHeartbeat(in Heartbeat heartbeat)
    {
    }

    public void OnOpened(SessionStream stream, ReadOnlySpan<byte> untrustedHeader, bool fin)
    {
    }

    public void OnData(SessionStream stream, ReadOnlySpan<byte> untrustedData, DataFlags flags) => Owner!.Consume(stream, untrustedData.Length);

    public void OnReset(SessionStream stream, ChannelError code) => throw new InvalidOperationException($"{code}");

    public void OnWriteDone(SessionStream stream)
    {
    }

    public void OnClosed(SessionStream stream)
    {
    }
}
