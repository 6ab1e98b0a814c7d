using ChannelSdk.Transports.Tests.Vsock;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Tests.Hostile;

/// <summary>A guest whose packets and receive buffers have as many descriptors as a chain may, nearly all of them empty.</summary>
internal sealed class LongChainGuest : IHostilePeer
{
    private const int Buffer = 44 + 1;

    private readonly GuestDouble _guest;
    private readonly int _descriptors;
    private volatile bool _isEnding;
    private Thread? _flood;

    /// <summary>Sets it up.</summary>
    /// <param name="devicePath">The device's socket.</param>
    /// <param name="descriptors">Descriptors of each chain, its indirect one included.</param>
    internal LongChainGuest(string devicePath, int descriptors = (int)SplitQueue.MaxChain)
    {
        _guest = new GuestDouble(devicePath);
        _descriptors = descriptors;
        try
        {
            _guest.Say(DeviceBench.Header(VsockOperation.Request));
            _guest.Expect(VsockOperation.Response);
        }
        catch
        {
            _guest.Dispose();
            throw;
        }
    }

    /// <summary>Makes every receive buffer one byte of data large, with empty descriptors behind; what the host sends takes a chain a byte.</summary>
    internal void ShortenReceiveBuffers()
    {
        var table = GuestDouble.Scratch + 8192;
        WriteTable(table, Buffer, Descriptor.IsWritable);
        for (uint i = 0; i < GuestDouble.RingSize; i++)
        {
            _guest.Receive.Describe(i, GuestDouble.Physical(table), (uint)(_descriptors - 1) * Descriptor.Size, Descriptor.IsIndirect);
        }
    }

    /// <summary>Begins to flood the device, for as long as this stands.</summary>
    public void Attack()
    {
        if (_flood is not null)
        {
            return;
        }

        DescribeTransmit(DeviceBench.Header(VsockOperation.CreditUpdate));
        _flood = new Thread(Flood) { IsBackground = true };
        _flood.Start();
    }

    /// <summary>Offers the whole ring at once, of packets of connections that there are not, and kicks. The device answers each.</summary>
    internal void OfferAll()
    {
        DescribeTransmit(DeviceBench.Header(VsockOperation.CreditUpdate, guestPort: 9));
        for (var i = 0; i < GuestDouble.RingSize; i++)
        {
            _guest.Transmit.Offer((ushort)(_guest.Transmit.AvailableIndex % GuestDouble.RingSize));
        }

        _guest.Kick();
    }

    /// <summary>How many packets of the device have come, modulo 65536.</summary>
    internal ushort Answers => Volatile.Read(ref _guest.Receive.UsedIndex);

    /// <summary>The front-end's socket, to see whether the device has ended it.</summary>
    internal FrontEndDouble FrontEnd => _guest.FrontEnd;

    public void Dispose()
    {
        _isEnding = true;
        _flood?.Join();
        _guest.Dispose();
    }

    private void Flood()
    {
        while (!_isEnding)
        {
            _guest.Reclaim();
            var taken = Volatile.Read(ref _guest.Transmit.UsedIndex);
            while ((ushort)(_guest.Transmit.AvailableIndex - taken) < GuestDouble.RingSize)
            {
                _guest.Transmit.Offer((ushort)(_guest.Transmit.AvailableIndex % GuestDouble.RingSize));
            }

            while (_guest.TryPeekSafely())
            {
                _guest.Take();
            }

            _guest.Kick();
            Thread.Yield();
        }
    }

    private void DescribeTransmit(in VsockHeader header)
    {
        header.Write(_guest.Ram.At(GuestDouble.Scratch, VsockHeader.Size));
        var table = GuestDouble.Scratch + 4096;
        WriteTable(table, VsockHeader.Size, 0);
        for (uint i = 0; i < GuestDouble.RingSize; i++)
        {
            _guest.Transmit.Describe(i, GuestDouble.Physical(table), (uint)(_descriptors - 1) * Descriptor.Size, Descriptor.IsIndirect);
        }
    }

    private void WriteTable(int at, int first, ushort flags)
    {
        var count = _descriptors - 1;
        for (var i = 0; i < count; i++)
        {
            RingDouble.Describe(_guest.Ram.At(at + i * Descriptor.Size, Descriptor.Size), GuestDouble.Physical(GuestDouble.Scratch),
                i == 0 ? (uint)first : 0, (ushort)(flags | (i < count - 1 ? Descriptor.HasNext : 0)), (ushort)(i + 1));
        }
    }
}
