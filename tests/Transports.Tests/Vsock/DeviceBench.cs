using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>A device that listens on a port, for guests that a test plays.</summary>
internal sealed class DeviceBench : IAsyncDisposable
{
    internal const uint Port = 5000;
    internal const uint GuestPort = 1234;

    private readonly TestDirectory _directory = new();

    internal DeviceBench(int maxConnections = 128, long maxMemory = 1L << 40)
    {
        Device = new VsockDevice(new VsockDeviceOptions
        {
            SocketPath = _directory["v"],
            MaxConnections = maxConnections,
            MaxMemory = maxMemory,
            AnySourcePort = true,
        });
        Device.Start();
        Listener = Device.Listen(Port);
    }

    internal VsockDevice Device { get; }

    internal ITransportEndpoint Listener { get; }

    internal string Path => Device.SocketPath;

    internal static VsockHeader Header(VsockOperation operation, uint guestPort = GuestPort, int length = 0) => new()
    {
        SourceCid = 3,
        DestinationCid = VsockHeader.HostCid,
        SourcePort = guestPort,
        DestinationPort = Port,
        Type = VsockHeader.StreamType,
        Operation = operation,
        Length = (uint)length,
        BufferAllocation = 64 * 1024,
    };

    /// <summary>Connects the guest; gives the host's link.</summary>
    internal async Task<ITransportLink> ConnectAsync(GuestDouble guest, uint guestPort = GuestPort)
    {
        var link = Listener.OpenAsync(CancellationToken.None).AsTask();
        guest.Say(Header(VsockOperation.Request, guestPort));
        guest.Expect(VsockOperation.Response);
        return await link.Within();
    }

    /// <summary>Asserts that the device has ended with a fault with this text, that the next open fails with it, and that the next guest is served.</summary>
    internal async Task AssertFault(FrontEndDouble frontEnd, string words, Task<ITransportLink>? open = null)
    {
        frontEnd.WaitClosed();
        open ??= Listener.OpenAsync(CancellationToken.None).AsTask();
        var told = await Assert.ThrowsAsync<ChannelException>(() => open.Within());
        Assert.Contains(words, told.Message, StringComparison.Ordinal);
        Assert.Equal(1, Device.Status.Faults);
        await AssertServes();
    }

    /// <summary>Waits until no front-end is connected, and takes what is left of its links and faults.</summary>
    internal async Task DrainFaultsAsync()
    {
        while (Device.Status.HasFrontEnd)
        {
            await Task.Yield();
        }

        while (true)
        {
            using var soon = new CancellationTokenSource();
            var open = Listener.OpenAsync(soon.Token).AsTask();
            await soon.CancelAsync();
            try
            {
                await (await open.Within()).DisposeAsync();
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (ChannelException)
            {
                // Told.
            }
        }
    }

    /// <summary>Asserts that a well-behaved guest is served.</summary>
    internal async Task AssertServes()
    {
        using var guest = new GuestDouble(Path);
        await using var link = await ConnectAsync(guest);
        guest.Say(Header(VsockOperation.Data, length: 5), "hello"u8);
        var buffer = new byte[16];
        Assert.Equal(5, await link.ReceiveAsync(buffer).Within());
        Assert.Equal(3, await link.SendAsync("yes"u8.ToArray()).Within());
        var answer = guest.Expect(out var data);
        Assert.Equal((VsockOperation.Data, "yes"), (answer.Operation, System.Text.Encoding.ASCII.GetString(data)));
    }

    /// <summary>Asserts that another connection of the same guest works.</summary>
    internal async Task AssertServesBeside(GuestDouble guest)
    {
        await using var link = await ConnectAsync(guest, guestPort: 4321);
        Assert.Equal(3, await link.SendAsync("yes"u8.ToArray()).Within());
        Assert.Equal(4321u, guest.Expect(VsockOperation.Data).DestinationPort);
    }

    public async ValueTask DisposeAsync()
    {
        await Listener.DisposeAsync();
        await Device.DisposeAsync();
        _directory.Dispose();
    }
}
