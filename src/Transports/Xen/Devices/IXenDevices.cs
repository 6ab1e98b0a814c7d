using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Xen.Devices;

/// <summary>What a domain can do with another one.</summary>
internal interface IXenDevices
{
    /// <summary>A new, non-blocking connection to xenstore.</summary>
    SafeFd OpenStore();

    /// <inheritdoc cref="XenEventPort.Listen"/>
    EventPort Listen(uint domain);

    /// <inheritdoc cref="XenEventPort.Connect"/>
    EventPort Connect(uint domain, uint remotePort);

    /// <inheritdoc cref="XenGrantArea.Grant"/>
    GrantArea Grant(uint domain, int pages);

    /// <inheritdoc cref="XenGrantArea.Map"/>
    GrantArea Map(uint domain, uint[] references);

    /// <inheritdoc cref="XenGrantArea.Prepare"/>
    PreparedGrants Prepare(uint domain, uint[] references);

    /// <inheritdoc cref="XenGrantArea.Take"/>
    GrantArea Take(PreparedGrants prepared);

    /// <inheritdoc cref="XenEventPort.Take"/>
    EventPort Take(SafeFd file, uint number);
}

/// <summary>The devices of this domain's kernel.</summary>
internal sealed class XenDevices : IXenDevices
{
    public SafeFd OpenStore() => XenFile.Open(XenFile.Store);

    public EventPort Listen(uint domain) => XenEventPort.Listen(domain);

    public EventPort Connect(uint domain, uint remotePort) => XenEventPort.Connect(domain, remotePort);

    public GrantArea Grant(uint domain, int pages) => XenGrantArea.Grant(domain, pages);

    public GrantArea Map(uint domain, uint[] references) => XenGrantArea.Map(domain, references);

    public PreparedGrants Prepare(uint domain, uint[] references) => XenGrantArea.Prepare(domain, references);

    public GrantArea Take(PreparedGrants prepared) => XenGrantArea.Take(prepared);

    public EventPort Take(SafeFd file, uint number) => XenEventPort.Take(file, number);
}
