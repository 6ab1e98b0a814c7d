using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>What the front-end has said of one queue so far, and the descriptors that it gave for it.</summary>
/// <param name="core">Runs the queue.</param>
/// <param name="reactor">Waits for its kicks.</param>
/// <param name="isTransmit">Which of the two it is.</param>
internal sealed class RingSetUp(DeviceCore core, IoReactor reactor, bool isTransmit) : IReactorClient, IDisposable
{
    private uint _size;
    private ushort _base;
    private RingAddresses? _addresses;
    private SafeFd? _kick;
    private SafeFd? _call;
    private ulong _token;
    private bool _isEnabled;
    private bool _isRunning;

    /// <summary>What was said, for the next process that serves the front-end.</summary>
    internal RingRecord Record => new(_size, _base, _addresses, _isEnabled, _isRunning, _kick is not null, _call is not null);

    /// <summary>Adds its descriptors to those that go with <see cref="Record"/>.</summary>
    internal void AddFiles(List<SafeFd> files)
    {
        if (_kick is not null)
        {
            files.Add(_kick);
        }

        if (_call is not null)
        {
            files.Add(_call);
        }
    }

    /// <summary>Goes on with a queue where a process before has ended.</summary>
    /// <param name="record">What that process was told, and may have changed.</param>
    /// <param name="files">The descriptors that are left; it takes its own.</param>
    /// <param name="features">The features that the front-end wants.</param>
    /// <exception cref="DeviceFaultException">It cannot be.</exception>
    internal void Restore(in RingRecord record, Queue<SafeFd> files, ulong features)
    {
        if (record.HasKick)
        {
            SetKick(files.Dequeue());
        }

        if (record.HasCall)
        {
            SetCall(files.Dequeue());
        }

        (_size, _base, _addresses, _isEnabled) = (record.Size, record.Base, record.Addresses, record.IsEnabled);
        if (!record.IsRunning || record.Addresses is not { } addresses)
        {
            return;
        }

        // All chains were given back in the order in which they were taken, so those that were not are the next ones.
        _base = core.UsedIndex(addresses);
        StartIfComplete(features);
        if (_call is not null)
        {
            // The guest may wait for an interrupt that the process before did not come to.
            EventSignal.Signal(_call);
        }
    }

    internal void SetSize(uint size)
    {
        CheckStopped("size");
        _size = size;
    }

    internal void SetBase(uint index)
    {
        CheckStopped("base index");
        _base = (ushort)index;
    }

    internal void SetAddresses(RingAddresses addresses)
    {
        if (_isRunning && _addresses == addresses)
        {
            return;
        }

        CheckStopped("addresses");
        _addresses = addresses;
    }

    /// <summary>Takes the descriptor that the guest's kicks come by, null for none.</summary>
    internal void SetKick(SafeFd? kick)
    {
        CheckStopped("kick");
        DropKick();
        if (kick is not null)
        {
            CheckEvent(kick);
            _kick = kick;
            _token = reactor.Register(kick, Abi.EPOLLIN, this);
        }
    }

    /// <summary>Takes the descriptor that interrupts the guest, null for none. Also under a running queue.</summary>
    internal void SetCall(SafeFd? call)
    {
        if (call is not null)
        {
            CheckEvent(call);
        }

        core.SetCall(isTransmit, call);
        _call?.Dispose();
        _call = call;
    }

    internal void SetEnabled(bool enabled)
    {
        _isEnabled = enabled;
        if (!enabled)
        {
            Pause();
        }
    }

    /// <summary>Starts the queue once everything for it is there.</summary>
    internal void StartIfComplete(ulong features)
    {
        var isEnabled = _isEnabled || (features & VhostUser.ProtocolFeatures) == 0;
        if (_isRunning || !isEnabled || _kick is null || _size == 0 || _addresses is not { } addresses)
        {
            return;
        }

        if ((features & VhostUser.Version1) == 0)
        {
            throw new DeviceFaultException("a driver that did not negotiate VIRTIO_F_VERSION_1");
        }

        core.StartQueue(isTransmit, _size, addresses, _base, (features & VhostUser.EventIndex) != 0, _call);
        _isRunning = true;
    }

    /// <summary>Stops the queue for good (GET_VRING_BASE).</summary>
    /// <returns>The available index that comes next.</returns>
    internal ushort Stop()
    {
        Pause();
        DropKick();
        // The next start needs new ones.
        _addresses = null;
        return _base;
    }

    /// <summary>A kick. The counter is not read: every write of it is an edge of its own.</summary>
    public void OnEvents(uint events) => core.OnReady();

    public void Dispose()
    {
        DropKick();
        _call?.Dispose();
        _call = null;
    }

    private void Pause()
    {
        if (core.StopQueue(isTransmit) is { } next)
        {
            _base = next;
        }

        _isRunning = false;
    }

    private void DropKick()
    {
        if (_kick is { } kick)
        {
            reactor.Unregister(kick, _token);
            kick.Dispose();
            _kick = null;
        }
    }

    private void CheckStopped(string what)
    {
        if (_isRunning)
        {
            throw new DeviceFaultException($"a {what} for a queue that runs");
        }
    }

    /// <summary>A file of another kind could hold the I/O thread up: epoll asks the server of a file system that is one in user space.</summary>
    private static void CheckEvent(SafeFd fd)
    {
        if (!EventSignal.IsEvent(fd))
        {
            fd.Dispose();
            throw new DeviceFaultException("a kick or call descriptor that is no eventfd");
        }
    }
}
