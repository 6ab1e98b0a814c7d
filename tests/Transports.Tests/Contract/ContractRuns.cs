using ChannelSdk.Transports.Faulty;
using ChannelSdk.Transports.InMemory;
using ChannelSdk.Transports.Schemes;
using Xunit;

namespace ChannelSdk.Transports.Tests.Contract;

public sealed class InMemoryContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig()
    {
        var pair = new InMemoryPair();
        return new TransportRig(pair.Guest, pair.Host);
    }
}

public sealed class SmallInMemoryContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig()
    {
        var pair = new InMemoryPair(capacity: 777);
        return new TransportRig(pair.Host, pair.Guest) { Volume = 4 * 1024 * 1024 };
    }
}

[Trait(Lane.Name, Lane.Integration)]
public sealed class UnixSocketContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig() => TransportRig.Sockets("unix", "unix-listen");
}

public sealed class TcpContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig()
    {
        var port = FreePort();
        return new TransportRig(TransportEndpoints.Create($"tcp://127.0.0.1:{port}"), TransportEndpoints.Create($"tcp-listen://127.0.0.1:{port}"));
    }

    private static int FreePort()
    {
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
        socket.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        return ((System.Net.IPEndPoint)socket.LocalEndPoint!).Port;
    }
}

/// <summary>The listening end stands for QEMU's chardev with server=on.</summary>
public sealed class VirtioSerialDialContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig() => TransportRig.Sockets("virtio-serial", "unix-listen");
}

/// <summary>The dialling end stands for QEMU's chardev with reconnect.</summary>
public sealed class VirtioSerialListenContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig() => TransportRig.Sockets("unix", "virtio-serial-listen");
}

[Trait(Lane.Name, Lane.Integration)]
public sealed class FaultlessFaultyContractTests : TransportContractTests
{
    public override TransportRig NewRig()
    {
        var sockets = TransportRig.Sockets("unix", "unix-listen");
        return new TransportRig(new FaultyEndpoint(sockets.Near, FaultPlan.None), sockets.Far)
        {
            Directory = sockets.Directory,
        };
    }
}

public sealed class PartialIoContractTests : TransportContractTests
{
    public override TransportRig NewRig()
    {
        var pair = new InMemoryPair();
        var plan = new FaultPlan { Seed = 4711, Then = new LinkFaults { MaxReceive = 900, MaxSend = 700 } };
        return new TransportRig(new FaultyEndpoint(pair.Guest, plan), new FaultyEndpoint(pair.Host, plan))
        {
            Volume = 2 * 1024 * 1024,
        };
    }
}

public sealed class OneByteIoContractTests : TransportContractTests
{
    public override TransportRig NewRig()
    {
        var sockets = TransportRig.Sockets("unix", "unix-listen");
        var plan = new FaultPlan { Then = new LinkFaults { MaxReceive = 1, MaxSend = 1 } };
        return new TransportRig(new FaultyEndpoint(sockets.Near, plan), sockets.Far)
        {
            Directory = sockets.Directory,
            Volume = 128 * 1024,
        };
    }
}
