using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>
/// Joins two devices: what one gives its guest is what the guest of the other sends. So both ends of a connection are
/// the device under test, and what is between them only moves packets.
/// </summary>
internal sealed class DeviceCable : IDisposable
{
    private readonly GuestDouble _left;
    private readonly GuestDouble _right;
    private readonly SafeFd _stop = GuestDouble.NewEvent();
    private readonly Thread _thread;
    private volatile bool _isStopping;

    internal DeviceCable(string leftPath, string rightPath, ulong features = VhostUser.OfferedFeatures)
    {
        _left = new GuestDouble(leftPath, features);
        _right = new GuestDouble(rightPath, features);
        _thread = new Thread(Run) { IsBackground = true };
        _thread.Start();
    }

    public void Dispose()
    {
        _isStopping = true;
        GuestDouble.Signal(_stop);
        _thread.Join();
        _left.Dispose();
        _right.Dispose();
        _stop.Dispose();
    }

    private void Run()
    {
        while (!_isStopping)
        {
            var moved = Move(_left, _right) | Move(_right, _left);
            if (!moved)
            {
                GuestDouble.Wait(-1, _left.Interrupt, _right.Interrupt, _stop);
            }
        }
    }

    private static bool Move(GuestDouble from, GuestDouble to)
    {
        to.Reclaim();
        var moved = false;
        while (true)
        {
            var room = to.Room();
            if (room.IsEmpty || !from.TryPeek(out var header, out var data))
            {
                break;
            }

            data.CopyTo(room);
            (header.SourceCid, header.DestinationCid) = (header.DestinationCid, header.SourceCid);
            to.Send(header, data.Length);
            from.Take();
            moved = true;
        }

        from.Kick();
        to.Kick();
        return moved;
    }
}
