using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>
/// A guest with a vsock driver, in memory shared with the device under test: sets the device up, and sends and receives
/// packets, each as the caller wrote it. It knows nothing of connections.
/// </summary>
internal sealed class GuestDouble : IDisposable
{
    internal const int RingSize = 128;
    internal const int ReceiveRoom = 16 * 1024;
    internal const int TransmitRoom = ReceiveRoom;

    private const int ReceiveBuffers = 64 * 1024;
    private const int TransmitBuffers = ReceiveBuffers + RingSize * ReceiveRoom;
    private const int IndirectTables = TransmitBuffers + RingSize * TransmitRoom;
    internal const int RamSize = IndirectTables + 64 * 1024;

    private readonly bool _usesIndirect;
    private readonly Queue<ushort> _freeTransmit = new();

    internal GuestDouble(string path, ulong features = VhostUser.OfferedFeatures, bool setUp = true)
    {
        var usesEventIndex = (features & VhostUser.EventIndex) != 0;
        _usesIndirect = (features & VhostUser.IndirectDescriptors) != 0;
        FrontEnd = new FrontEndDouble(path);
        Receive = new RingDouble(Ram, 0, RingSize, usesEventIndex);
        Transmit = new RingDouble(Ram, RingDouble.Room, RingSize, usesEventIndex);
        if (!setUp)
        {
            return;
        }

        try
        {
            FrontEnd.Negotiate(features);
            FrontEnd.SetMemory(Ram);
            SetUp(0, Receive, ReceiveKick);
            SetUp(1, Transmit, TransmitKick);
            Fill();
        }
        catch
        {
            // The device serves one front-end at a time; this one must not stay.
            Dispose();
            throw;
        }
    }

    internal GuestRam Ram { get; } = new(RamSize);

    internal FrontEndDouble FrontEnd { get; }

    internal RingDouble Receive { get; }

    internal RingDouble Transmit { get; }

    internal SafeFd ReceiveKick { get; } = NewEvent();

    internal SafeFd TransmitKick { get; } = NewEvent();

    /// <summary>The interrupt of both queues.</summary>
    internal SafeFd Interrupt { get; } = NewEvent();

    internal static ulong Physical(int offset) => GuestRam.GuestBase + (ulong)offset;

    /// <summary>Memory that no ring uses.</summary>
    internal static int Scratch => IndirectTables + RingSize * 2 * Descriptor.Size;

    internal void SetUp(uint index, RingDouble ring, SafeFd kick, uint firstIndex = 0)
    {
        FrontEnd.TellRing(VhostUserRequest.SetRingSize, index, ring.Size);
        FrontEnd.TellRing(VhostUserRequest.SetRingBase, index, firstIndex);
        FrontEnd.Tell(VhostUserRequest.SetRingAddress, [index, .. ring.UserAddresses, 0]);
        FrontEnd.Tell(VhostUserRequest.SetRingCall, MemoryMarshal.AsBytes<ulong>([index]), Interrupt);
        FrontEnd.Tell(VhostUserRequest.SetRingKick, MemoryMarshal.AsBytes<ulong>([index]), kick);
        // Answered, so that what was said before has been done.
        Assert.Equal(new byte[8], FrontEnd.Ask(VhostUserRequest.EnableRing, MemoryMarshal.AsBytes<uint>([index, 1])));
    }

    /// <summary>Offers every receive buffer, and has every transmit buffer free.</summary>
    internal void Fill()
    {
        for (ushort i = 0; i < RingSize; i++)
        {
            OfferBuffer(i);
        }

        var step = _usesIndirect ? 1 : 2;
        for (ushort i = 0; i < RingSize; i += (ushort)step)
        {
            _freeTransmit.Enqueue(i);
        }

        Kick();
    }

    /// <summary>Room for the data of a packet to send; empty if the ring is full.</summary>
    internal Span<byte> Room() => _freeTransmit.TryPeek(out var head)
        ? Ram.At(TransmitBuffers + head * TransmitRoom + VsockHeader.Size, TransmitRoom - VsockHeader.Size)
        : default;

    /// <summary>Sends a packet whose data is in <see cref="Room"/>.</summary>
    internal void Send(in VsockHeader header, int dataLength)
    {
        var head = _freeTransmit.Dequeue();
        var buffer = TransmitBuffers + head * TransmitRoom;
        header.Write(Ram.At(buffer, VsockHeader.Size));
        var data = Physical(buffer + VsockHeader.Size);
        if (_usesIndirect)
        {
            var table = IndirectTables + head * 2 * Descriptor.Size;
            RingDouble.Describe(Ram.At(table, 16), Physical(buffer), VsockHeader.Size, Descriptor.HasNext, 1);
            RingDouble.Describe(Ram.At(table + 16, 16), data, (uint)dataLength, 0, 0);
            Transmit.Describe(head, Physical(table), 2 * Descriptor.Size, Descriptor.IsIndirect);
        }
        else
        {
            Transmit.Describe(head, Physical(buffer), VsockHeader.Size, Descriptor.HasNext, (ushort)(head + 1));
            Transmit.Describe(head + 1u, data, (uint)dataLength, 0);
        }

        Transmit.Offer(head);
    }

    /// <summary>Looks at the packet that came first; <see cref="Take"/> gives its buffer back.</summary>
    internal bool TryPeek(out VsockHeader header, out ReadOnlySpan<byte> data)
    {
        header = default;
        data = default;
        if (!Receive.HasUsed())
        {
            return false;
        }

        var (head, written) = Receive.PeekUsed();
        var packet = Ram.At(ReceiveBuffers + head * ReceiveRoom, written);
        header = VsockHeader.Read(packet);
        data = packet[VsockHeader.Size..];
        return true;
    }

    /// <summary>Whether a packet came whose place and length can be; a guest that scribbles over its rings may see others.</summary>
    internal bool TryPeekSafely()
    {
        if (!Receive.HasUsed())
        {
            return false;
        }

        var (head, written) = Receive.PeekUsed();
        return head < RingSize && written is >= VsockHeader.Size and <= ReceiveRoom;
    }

    internal void Take()
    {
        var (head, _) = Receive.PeekUsed();
        Receive.PopUsed();
        OfferBuffer(head);
    }

    /// <summary>Takes back what the device has read.</summary>
    internal void Reclaim()
    {
        for (var i = 0; i < RingSize && Transmit.HasUsed(); i++)
        {
            var head = Transmit.PeekUsed().Head;
            if (head < RingSize)
            {
                _freeTransmit.Enqueue(head);
            }

            Transmit.PopUsed();
        }
    }

    /// <summary>Kicks the queues that want it.</summary>
    internal void Kick()
    {
        if (Receive.WantsKick())
        {
            Signal(ReceiveKick);
        }

        if (Transmit.WantsKick())
        {
            Signal(TransmitKick);
        }
    }

    /// <summary>Waits for the next packet of the device and takes it.</summary>
    internal VsockHeader Expect(out byte[] data)
    {
        var until = Environment.TickCount64 + 30_000;
        while (true)
        {
            if (TryPeek(out var header, out var bytes))
            {
                data = bytes.ToArray();
                Take();
                Kick();
                return header;
            }

            Assert.True(Environment.TickCount64 < until, "no packet came from the device");
            Wait(1000, Interrupt);
        }
    }

    internal VsockHeader Expect(VsockOperation operation)
    {
        var header = Expect(out _);
        Assert.Equal(operation, header.Operation);
        return header;
    }

    /// <summary>Sends a packet of the guest with this CID, and kicks.</summary>
    internal void Say(VsockHeader header, ReadOnlySpan<byte> data = default)
    {
        Reclaim();
        data.CopyTo(Room());
        Send(header, data.Length);
        Kick();
    }

    /// <summary>Waits until the device has read this many packets since the start.</summary>
    internal void WaitRead(int packets)
    {
        var until = Environment.TickCount64 + 30_000;
        while (Volatile.Read(ref Transmit.UsedIndex) != (ushort)packets)
        {
            Assert.True(Environment.TickCount64 < until, $"the device read {Transmit.UsedIndex} packets, not {packets}");
            Thread.Yield();
        }
    }

    internal static unsafe void Signal(SafeFd fd)
    {
        ulong one = 1;
        _ = DescriptorCalls.Write(fd, &one, sizeof(ulong));
    }

    /// <summary>Waits for one of some events and clears them.</summary>
    internal static unsafe void Wait(int timeoutMs, params ReadOnlySpan<SafeFd> fds)
    {
        var polled = stackalloc PollFd[fds.Length];
        for (var i = 0; i < fds.Length; i++)
        {
            polled[i] = new PollFd { Fd = (int)fds[i].DangerousGetHandle(), Events = Abi.POLLIN };
        }

        _ = DescriptorCalls.Poll(polled, (nuint)fds.Length, timeoutMs);
        ulong counter;
        foreach (var fd in fds)
        {
            _ = DescriptorCalls.Read(fd, &counter, sizeof(ulong));
        }
    }

    public void Dispose()
    {
        FrontEnd.Dispose();
        ReceiveKick.Dispose();
        TransmitKick.Dispose();
        Interrupt.Dispose();
        Ram.Dispose();
    }

    internal static SafeFd NewEvent() => new(DescriptorCalls.EventFd(0, Abi.EFD_NONBLOCK | Abi.EFD_CLOEXEC));

    private void OfferBuffer(ushort index)
    {
        Receive.Describe(index, Physical(ReceiveBuffers + index * ReceiveRoom), ReceiveRoom, Descriptor.IsWritable);
        Receive.Offer(index);
    }
}
