using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Xen.Devices;

/// <summary>Pages that two domains share, mapped one after another. Its owner serializes use and disposal.</summary>
/// <param name="start">The first byte.</param>
/// <param name="pages">1 or more.</param>
internal abstract unsafe class GrantArea(byte* start, int pages) : IDisposable
{
    internal byte* Start => start;

    internal int Pages => pages;

    /// <summary>The grant references of own pages, by which the other domain maps them.</summary>
    internal abstract ReadOnlySpan<uint> References { get; }

    /// <summary>
    /// Has the kernel clear a byte and raise an event when this side's mapping ends, also by a kill.
    /// </summary>
    internal abstract void NotifyOnUnmap(int offset, EventPort port);

    /// <summary>
    /// Whether the kernel still has a port. A domain that is saved and restored, or migrates, has new event channels, and
    /// the port's number is free or another channel's from then on.
    /// </summary>
    /// <remarks>
    /// Linux 6.1 forgets that at closing: for a port of before, /dev/xen/evtchn runs into a BUG_ON, or closes what has the number now,
    /// and so does an area that was to raise an event at it (drivers/xen/{evtchn,gntalloc}.c, events_base.c: xen_irq_resume). So
    /// both must stay open. No call tells directly, but a call that counts a use of the port is refused.
    /// </remarks>
    internal abstract bool Knows(EventPort port);

    /// <summary>Leaves the pages as they are, for as long as the process lives: see <see cref="Knows"/>.</summary>
    internal abstract void Abandon();

    public abstract void Dispose();
}

/// <summary>Pages of /dev/xen/gntalloc (own ones, granted) or /dev/xen/gntdev (another domain's, mapped).</summary>
internal sealed unsafe class XenGrantArea : GrantArea
{
    private readonly SafeFd _fd;
    private readonly string _path;
    private readonly ulong _index;
    private readonly uint[] _references;
    private UnmapNotify _notify;

    private XenGrantArea(SafeFd fd, string path, ulong index, byte* start, int pages, uint[] references) : base(start, pages) =>
        (_fd, _path, _index, _references, _notify) = (fd, path, index, references, new UnmapNotify { Index = index });

    internal override ReadOnlySpan<uint> References => _references;

    /// <summary>New pages of zeros that the domain may map and write.</summary>
    internal static XenGrantArea Grant(uint domain, int pages)
    {
        // The domain ids that Xen gives fit into 15 bits. The kernel writes the structure back with its padding behind one reference.
        var call = new byte[sizeof(GntallocHeader) + sizeof(uint) * (pages + 1)];
        var fd = XenFile.Open(XenFile.Grant);
        try
        {
            fixed (byte* start = call)
            {
                var header = (GntallocHeader*)start;
                *header = new GntallocHeader { Domain = (ushort)domain, Flags = XenIoctl.FlagWritable, Count = (uint)pages };
                XenFile.Control(fd, XenFile.Grant, XenIoctl.GntallocAllocGref, header, "IOCTL_GNTALLOC_ALLOC_GREF");
                var references = new Span<uint>(header + 1, pages).ToArray();
                var memory = XenFile.MapPages(fd, XenFile.Grant, pages, header->Index);
                new Span<byte>(memory, pages * XenFile.PageSize).Clear();
                return new XenGrantArea(fd, XenFile.Grant, header->Index, memory, pages, references);
            }
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>The pages of another domain that it granted under these references.</summary>
    internal static XenGrantArea Map(uint domain, uint[] references) => Take(Prepare(domain, references));

    /// <summary>Makes ready what <see cref="Take"/> maps, perhaps in another process. The references are not looked at yet.</summary>
    internal static PreparedGrants Prepare(uint domain, uint[] references)
    {
        var call = new byte[sizeof(GntdevMapHeader) + sizeof(GntdevGrantRef) * references.Length];
        var fd = XenFile.Open(XenFile.Map);
        try
        {
            fixed (byte* start = call)
            {
                var header = (GntdevMapHeader*)start;
                header->Count = (uint)references.Length;
                var list = (GntdevGrantRef*)(header + 1);
                for (var i = 0; i < references.Length; i++)
                {
                    list[i] = new GntdevGrantRef { Domain = domain, Reference = references[i] };
                }

                XenFile.Control(fd, XenFile.Map, XenIoctl.GntdevMapGrantRef, header, "IOCTL_GNTDEV_MAP_GRANT_REF");
                return new PreparedGrants(fd, header->Index, references.Length);
            }
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>Maps what was made ready; the file is the area's from now on.</summary>
    internal static XenGrantArea Take(PreparedGrants prepared)
    {
        try
        {
            var memory = XenFile.MapPages(prepared.File, XenFile.Map, prepared.Pages, prepared.Index);
            return new XenGrantArea(prepared.File, XenFile.Map, prepared.Index, memory, prepared.Pages, []);
        }
        catch
        {
            prepared.File.Dispose();
            throw;
        }
    }

    internal override void NotifyOnUnmap(int offset, EventPort port)
    {
        var notify = new UnmapNotify { Index = _index + (uint)offset, Action = XenIoctl.ClearByteAndSendEvent, EventPort = port.Number };
        XenFile.Control(_fd, _path, XenIoctl.SetUnmapNotify, &notify, "SET_UNMAP_NOTIFY");
        _notify = notify;
    }

    internal override bool Knows(EventPort port)
    {
        var before = _notify;
        var probe = before with { Action = before.Action | XenIoctl.SendEvent, EventPort = port.Number };
        if (DescriptorCalls.Ioctl(_fd, XenIoctl.SetUnmapNotify, &probe) < 0)
        {
            // Any other error is not about the port.
            return Errno.Last != Errno.EINVAL;
        }

        return before.Action == probe.Action || DescriptorCalls.Ioctl(_fd, XenIoctl.SetUnmapNotify, &before) >= 0;
    }

    internal override void Abandon() => _fd.SetHandleAsInvalid();

    public override void Dispose()
    {
        if (_fd.IsClosed)
        {
            return;
        }

        _ = SystemCalls.Munmap(Start, (nuint)(Pages * XenFile.PageSize));
        _fd.Dispose();
    }
}
