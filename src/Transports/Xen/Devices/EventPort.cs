using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Xen.Devices;

/// <summary>
/// One end of an event channel. An event that was taken leaves the port masked: the other side can raise more, and they cost
/// nothing here until the port is unmasked.
/// </summary>
/// <param name="fd">Readable while an event is pending; for the reactor.</param>
/// <param name="number">The port's number in this domain.</param>
internal abstract class EventPort(SafeFd fd, uint number) : IDisposable
{
    internal SafeFd Fd => fd;

    internal uint Number => number;

    /// <summary>Acknowledges the pending event and masks the port; false if there is none.</summary>
    internal abstract bool Acknowledge();

    /// <summary>Lets the next event come; an event that was raised meanwhile comes at once.</summary>
    internal abstract void Unmask();

    /// <summary>Raises an event at the other side. It is no error if that side has gone.</summary>
    internal abstract void Notify();

    /// <summary>The file, for another process; it may not be used here any more. That process can connect it to no other domain.</summary>
    /// <param name="domain">The domain at the other side.</param>
    internal virtual SafeFd Detach(uint domain) => fd;

    /// <summary>Closes the channel.</summary>
    public virtual void Dispose() => fd.Dispose();

    /// <summary>Never closes the file, which may not be: see <see cref="GrantArea.Knows"/>.</summary>
    internal void Abandon() => fd.SetHandleAsInvalid();
}

/// <summary>A port of /dev/xen/evtchn, alone on its open file.</summary>
internal sealed unsafe class XenEventPort : EventPort
{
    private XenEventPort(SafeFd fd, uint number) : base(fd, number)
    {
    }

    /// <summary>A port that the given domain may connect to.</summary>
    internal static XenEventPort Listen(uint domain)
    {
        var fd = XenFile.Open(XenFile.EventChannel);
        return Bind(fd, XenIoctl.EvtchnBindUnboundPort, &domain, "IOCTL_EVTCHN_BIND_UNBOUND_PORT");
    }

    /// <summary>Connects to a port of another domain, which must have been made for this one.</summary>
    internal static XenEventPort Connect(uint domain, uint remotePort)
    {
        var fd = XenFile.Open(XenFile.EventChannel);
        var bind = new EvtchnBindInterdomain { RemoteDomain = domain, RemotePort = remotePort };
        return Bind(fd, XenIoctl.EvtchnBindInterdomain, &bind, "IOCTL_EVTCHN_BIND_INTERDOMAIN");
    }

    /// <summary>A port that another process has connected.</summary>
    internal static XenEventPort Take(SafeFd file, uint number) => new(file, number);

    internal override bool Acknowledge()
    {
        uint port;
        return DescriptorCalls.Read(Fd, &port, sizeof(uint)) == sizeof(uint);
    }

    internal override SafeFd Detach(uint domain)
    {
        // The filter of that process lets it make no such call; without the filter this holds.
        var restrict = (ushort)domain;
        _ = DescriptorCalls.Ioctl(Fd, XenIoctl.EvtchnRestrictDomain, &restrict);
        return Fd;
    }

    internal override void Unmask()
    {
        var port = Number;
        _ = DescriptorCalls.Write(Fd, &port, sizeof(uint));
    }

    internal override void Notify()
    {
        var port = Number;
        _ = DescriptorCalls.Ioctl(Fd, XenIoctl.EvtchnNotify, &port);
    }

    private static XenEventPort Bind(SafeFd fd, uint request, void* argument, string call)
    {
        try
        {
            return new XenEventPort(fd, (uint)XenFile.Control(fd, XenFile.EventChannel, request, argument, call));
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }
}
