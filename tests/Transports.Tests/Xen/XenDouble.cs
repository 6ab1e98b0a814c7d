using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Xen.Devices;
using Xunit;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>What Xen does for domains that are all in this process: granted memory, event channels, xenstore.</summary>
internal sealed unsafe class XenDouble : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(uint Owner, uint Reference), Block> _grants = [];
    private readonly Dictionary<(uint Owner, uint Port), PortDouble> _ports = [];
    private readonly Dictionary<uint, (uint Domain, uint[] References)> _prepared = [];
    private uint _lastNumber = 7;

    internal StoreDouble Store { get; } = new();

    /// <summary>Blocks that are mapped at present.</summary>
    internal int Mappings { get; private set; }

    /// <summary>Times that a kernel was asked for something in which it has a BUG.</summary>
    internal int Bugs { get; private set; }

    /// <summary>The devices of a domain. The domain is known to xenstore from now on.</summary>
    internal IXenDevices Domain(uint id)
    {
        Store.Introduce(id);
        return new Devices(this, id);
    }

    /// <summary>As a save and a restore of a domain leave it: no port of before may be closed, and its keys have gone.</summary>
    internal void Restore(uint id, string keys)
    {
        lock (_gate)
        {
            foreach (((uint owner, uint number) key, var port) in _ports.Where(p => p.Key.Owner == id).ToList())
            {
                port.IsOfBefore = true;
                _ports.Remove(key);
            }
        }

        Store.Remove(keys);
    }

    /// <summary>The shared memory behind a grant, for tests that play a domain by hand.</summary>
    internal byte* Memory(uint owner, uint reference)
    {
        lock (_gate)
        {
            return _grants[(owner, reference)].Start;
        }
    }

    public void Dispose() => Store.Dispose();

    private uint NewNumber() => ++_lastNumber;

    private static ChannelException Invalid(string call) =>
        new(ChannelError.TransportFailed, ErrorClass.Retry, $"The {call} failed: Invalid argument (errno 22).");

    private sealed class Block(byte* start, int pages)
    {
        internal byte* Start => start;

        internal int Pages => pages;

        internal int Users { get; set; } = 1;
    }

    private sealed class Devices(XenDouble xen, uint id) : IXenDevices
    {
        public SafeFd OpenStore() => xen.Store.Connect(id);

        public EventPort Listen(uint domain)
        {
            lock (xen._gate)
            {
                var port = new PortDouble(xen.NewNumber()) { Allowed = domain };
                port.Closed = () => Close(port);
                xen._ports.Add((id, port.Number), port);
                return port;
            }
        }

        public EventPort Connect(uint domain, uint remotePort)
        {
            lock (xen._gate)
            {
                if (!xen._ports.TryGetValue((domain, remotePort), out var remote) || remote.Allowed != id || remote.Other is not null)
                {
                    throw Invalid("IOCTL_EVTCHN_BIND_INTERDOMAIN");
                }

                var port = new PortDouble(xen.NewNumber()) { Other = remote };
                remote.Other = port;
                port.Closed = () => Close(port);
                xen._ports.Add((id, port.Number), port);
                return port;
            }
        }

        public GrantArea Grant(uint domain, int pages)
        {
            var start = (byte*)NativeMemory.AlignedAlloc((nuint)(pages * XenFile.PageSize), XenFile.PageSize);
            new Span<byte>(start, pages * XenFile.PageSize).Clear();
            var block = new Block(start, pages);
            var references = new uint[pages];
            lock (xen._gate)
            {
                for (var i = 0; i < pages; i++)
                {
                    references[i] = xen.NewNumber();
                    xen._grants.Add((id, references[i]), block);
                }

                xen.Mappings++;
            }

            return new Area(xen, id, block, references, isOwner: true);
        }

        public GrantArea Map(uint domain, uint[] references)
        {
            lock (xen._gate)
            {
                if (!xen._grants.TryGetValue((domain, references[0]), out var block) || references.Length > block.Pages
                    || !Enumerable.Range(0, references.Length).All(i => references[i] == references[0] + i && xen._grants.ContainsKey((domain, references[i]))))
                {
                    throw Invalid("mmap of /dev/xen/gntdev");
                }

                block.Users++;
                xen.Mappings++;
                return new Area(xen, domain, block, references, isOwner: false);
            }
        }

        public PreparedGrants Prepare(uint domain, uint[] references)
        {
            lock (xen._gate)
            {
                xen._prepared.Add(++xen._lastNumber, (domain, references));
                return new PreparedGrants(new SafeFd(DescriptorCalls.EventFd(0, Abi.EFD_CLOEXEC)), xen._lastNumber, references.Length);
            }
        }

        public GrantArea Take(PreparedGrants prepared)
        {
            lock (xen._gate)
            {
                prepared.File.Dispose();
                Assert.True(xen._prepared.Remove((uint)prepared.Index, out var made), "mapped twice");
                return Map(made.Domain, made.References);
            }
        }

        public EventPort Take(SafeFd file, uint number)
        {
            lock (xen._gate)
            {
                return xen._ports[(id, number)];
            }
        }

        private void Close(PortDouble port)
        {
            lock (xen._gate)
            {
                xen.Bugs += port.IsOfBefore ? 1 : 0;
                xen._ports.Remove((id, port.Number));
                if (port.Other is { } other)
                {
                    (port.Other, other.Other) = (null, null);
                }
            }
        }
    }

    private sealed class Area(XenDouble xen, uint owner, Block block, uint[] references, bool isOwner) : GrantArea(block.Start, references.Length)
    {
        private (int Offset, PortDouble Port)? _notify;
        private bool _disposed;

        internal override ReadOnlySpan<uint> References => references;

        internal override void NotifyOnUnmap(int offset, EventPort port) => _notify = (offset, (PortDouble)port);

        internal override bool Knows(EventPort port) => !((PortDouble)port).IsOfBefore;

        internal override void Abandon()
        {
        }

        public override void Dispose()
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            if (_notify is { } notify)
            {
                xen.Bugs += notify.Port.IsOfBefore ? 1 : 0;
                block.Start[notify.Offset] = 0;
                notify.Port.Notify();
            }

            lock (xen._gate)
            {
                xen.Mappings--;
                for (var i = 0; isOwner && i < references.Length; i++)
                {
                    xen._grants.Remove((owner, references[i]));
                }

                if (--block.Users == 0)
                {
                    NativeMemory.AlignedFree(block.Start);
                }
            }
        }
    }
}

/// <summary>A port whose events are those of an eventfd. A masked one keeps them, as one.</summary>
internal sealed class PortDouble(uint number) : EventPort(Open(), number)
{
    private readonly Lock _gate = new();
    private bool _isMasked;
    private bool _isPending;

    internal uint Allowed { get; init; }

    internal PortDouble? Other { get; set; }

    internal Action? Closed { get; set; }

    /// <summary>Whether its domain was restored since: its kernel may not be asked to close it.</summary>
    internal bool IsOfBefore { get; set; }

    /// <summary>Events that were taken.</summary>
    internal int Taken { get; private set; }

    internal override unsafe bool Acknowledge()
    {
        lock (_gate)
        {
            ulong count;
            if (DescriptorCalls.Read(Fd, &count, sizeof(ulong)) != sizeof(ulong))
            {
                return false;
            }

            Taken++;
            _isMasked = true;
            return true;
        }
    }

    internal override void Unmask()
    {
        lock (_gate)
        {
            _isMasked = false;
            if (_isPending)
            {
                _isPending = false;
                Fire();
            }
        }
    }

    internal override void Notify() => Other?.Raise();

    public override void Dispose()
    {
        Closed?.Invoke();
        base.Dispose();
    }

    private void Raise()
    {
        lock (_gate)
        {
            if (_isMasked)
            {
                _isPending = true;
            }
            else
            {
                Fire();
            }
        }
    }

    private unsafe void Fire()
    {
        if (!Fd.IsClosed)
        {
            ulong one = 1;
            _ = DescriptorCalls.Write(Fd, &one, sizeof(ulong));
        }
    }

    private static SafeFd Open()
    {
        var fd = DescriptorCalls.EventFd(0, Abi.EFD_NONBLOCK | Abi.EFD_CLOEXEC);
        return fd >= 0 ? new SafeFd(fd) : throw new InvalidOperationException($"eventfd: errno {Errno.Last}");
    }
}
