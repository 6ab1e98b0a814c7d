using ChannelSdk.Channels;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Runtime.Tests;

/// <summary>Tests of channels that run twice: with the host's session in its own process, and in a worker.</summary>
public abstract class ChannelTests
{
    private protected virtual bool IsIsolated => false;

    private protected ChannelPair NewPair(
        ITransportEndpoint? guest = null, ITransportEndpoint? host = null, ChannelOptions? options = null, TimeProvider? hostTime = null) =>
        new(guest, host, options, hostTime, IsIsolated);
}
