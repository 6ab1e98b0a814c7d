using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Xen.Devices;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// The client of a vchan for a host, whose links can be another process's: this one finds the server, makes its memory and port ready, and watches its keys; that one
/// maps, reads and writes.
/// </summary>
/// <param name="uri">The endpoint's URI.</param>
/// <param name="address">The server's domain, and the name.</param>
/// <param name="devices">The domain's devices.</param>
internal sealed class VchanLeaseEndpoint(string uri, VchanAddress address, IXenDevices devices) : VchanDialEndpoint(uri, address, devices), IMappedEndpoint
{
    private bool _leases;

    PeerIdentity IMappedEndpoint.Peer => Peer;

    public async ValueTask<LinkParts> OpenPartsAsync(CancellationToken cancellationToken)
    {
        // What another process has of the link before does not hold this one up.
        EndLink();
        _leases = true;
        return ((VchanLease)await OpenAsync(cancellationToken).ConfigureAwait(false)).Parts;
    }

    private protected override Task<IVchanHold> TryAsync(VchanKeys keys, CancellationToken cancellationToken) =>
        _leases ? LeaseAsync(keys, cancellationToken) : base.TryAsync(keys, cancellationToken);

    private protected override Task BeginAsync(IVchanHold link, CancellationToken cancellationToken) =>
        link is VchanLease lease ? lease.BeginAsync(() => AreThereAsync(lease.Keys, cancellationToken)) : Task.CompletedTask;

    /// <summary>Makes all ready that another process maps; that one writes nothing before the keys were read again.</summary>
    private Task<IVchanHold> LeaseAsync(VchanKeys keys, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        VchanShape shape;
        using (var shared = Devices.Map(Address.Domain, [keys.RingReference]))
        {
            shape = VchanShape.Read(shared, Address.Domain);
        }

        var (own, other) = Descriptor.SocketPair(Abi.SOCK_STREAM, new ForeignCloser())
            ?? throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"no descriptors are left for {Uri}; raise the limit of this program's descriptors");
        List<SafeFd> files = [new SafeFd((int)other.DangerousGetHandle())];
        other.SetHandleAsInvalid();
        try
        {
            var port = Devices.Connect(Address.Domain, keys.EventPort);
            files.Add(port.Detach(Address.Domain));
            var page = Prepare([keys.RingReference], files);
            var parts = new VchanParts(Address.Domain, files[0], files[1], port.Number, shape.LeftOrder, shape.RightOrder, page, PrepareRing(shape.Left, files), PrepareRing(shape.Right, files));
            return Task.FromResult<IVchanHold>(new VchanLease(keys, DescriptorLinks.Attach(own, Peer), parts.ToLinkParts()));
        }
        catch
        {
            files.ForEach(static file => file.Dispose());
            own.Dispose();
            throw;
        }
    }

    private PreparedGrants? PrepareRing(uint[] references, List<SafeFd> files) => references.Length == 0 ? null : Prepare(references, files);

    private PreparedGrants Prepare(uint[] references, List<SafeFd> files)
    {
        var prepared = Devices.Prepare(Address.Domain, references);
        files.Add(prepared.File);
        return prepared;
    }
}
