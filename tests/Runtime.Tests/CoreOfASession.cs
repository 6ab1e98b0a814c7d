using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.InMemory;

namespace ChannelSdk.Runtime.Tests;

/// <summary>The parts of a host's channel with a session in this process, whose links a test makes by hand.</summary>
internal static class CoreOfASession
{
    public static (ChannelCore Core, SessionEngine Session) New(ChannelOptions options, TimeProvider time)
    {
        var core = new ChannelCore(options, time);
        var session = new SessionEngine(core, PeerRole.Host, new InMemoryPair().Host, new CallDispatcher(core, new ServiceRegistry()), core.Status, time);
        core.Engine = session;
        return (core, session);
    }
}
