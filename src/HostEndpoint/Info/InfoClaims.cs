using static ChannelSdk.Host.Connection.GuestClaim;

namespace ChannelSdk.Host.Info;

/// <summary>Makes the host's records of a guest's info message.</summary>
internal static class InfoClaims
{
    /// <summary>All of it.</summary>
    public static GuestInfo Of(Protocol.Services.GuestInfo untrusted) => new()
    {
        Agent = untrusted.Agent is { } agent
            ? new(Text(agent.Version), agent.ProtocolVersion, agent.Pid, Milliseconds(agent.UptimeMs), Number(agent.RssBytes), Texts(agent.Capabilities)) : null,
        Os = untrusted.Os is { } os ? new(Text(os.Id), Text(os.VersionId), Text(os.PrettyName)) : null,
        Kernel = untrusted.Kernel is { } kernel ? new(Text(kernel.Name), Text(kernel.Release), Text(kernel.Architecture)) : null,
        HostName = Text(untrusted.HostName),
        BootId = Text(untrusted.BootId),
        Uptime = Milliseconds(untrusted.UptimeMs),
        Memory = untrusted.Memory is { } memory ? new(Number(memory.TotalBytes), Number(memory.AvailableBytes)) : null,
        Load = untrusted.Load is { } load ? new(load.OneMinute, load.FiveMinutes, load.FifteenMinutes) : null,
        Methods = Texts(untrusted.Methods),
        Policy = untrusted.Policy is { } policy
            ? new(Texts(policy.Readable), Texts(policy.Writable), List(policy.Commands, static c => new CommandInfo(Text(c.Program), Texts(c.Arguments), Texts(c.Environment)))) : null,
        Network = untrusted.Network is { } network ? Of(network) : null,
        Disks = Of(untrusted.Disks),
        FileSystems = List(untrusted.FileSystems, static f => new FileSystemUsage(
            Text(f.Mount), Text(f.Type), Text(f.Source), f.IsReadOnly, Number(f.TotalBytes), Number(f.AvailableBytes), Text(f.Silent))),
        Users = Of(untrusted.Users),
    };

    /// <summary>Its network.</summary>
    public static NetworkInfo Of(Protocol.Services.NetworkInfo untrusted) => new(
        List(untrusted.Interfaces, static i => new NetworkInterfaceInfo(Text(i.Name), Text(i.Hardware), i.Mtu, Text(i.State), Texts(i.Addresses))),
        List(untrusted.Routes, static r => new RouteInfo(Text(r.Interface), Text(r.Destination), Text(r.Gateway))));

    /// <summary>Its disks.</summary>
    public static IReadOnlyList<DiskInfo> Of(IEnumerable<Protocol.Services.DiskInfo> untrusted) =>
        List(untrusted, static d => new DiskInfo(Text(d.Name), Number(d.SizeBytes), d.IsReadOnly, Text(d.Serial)));

    /// <summary>Its users.</summary>
    public static IReadOnlyList<UserInfo> Of(IEnumerable<Protocol.Services.UserInfo> untrusted) =>
        List(untrusted, static u => new UserInfo(Text(u.Name), Text(u.Terminal), Instant(u.SinceUnixMs)));
}
