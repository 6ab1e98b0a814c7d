using System.Globalization;
using System.Text.Json;
using ChannelSdk.Host.Json;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Host.Qga;

/// <summary>What a guest says of itself by qemu-ga, as far as its commands and their permission go.</summary>
internal sealed class QgaInfo(QgaClient client)
{
    private const int MaxItems = 256;

    public async ValueTask<GuestInfo> GetAsync(CancellationToken cancellationToken)
    {
        var agent = await client.CallAsync("guest-info", null, null, cancellationToken).ConfigureAwait(false);
        var info = new GuestInfo
        {
            Agent = new AgentInfo { Version = $"qemu-ga {UntrustedJson.Text(agent, "version")}" },
            Os = new OsInfo(),
            Kernel = new KernelInfo(),
            Memory = new MemoryInfo(),
            Load = new LoadInfo(),
            Network = new NetworkInfo(),
        };
        info.Methods.AddRange(UntrustedJson.Items(agent, "supported_commands", MaxItems)
            .Where(static command => UntrustedJson.IsTrue(command, "enabled")).Select(static command => UntrustedJson.Text(command, "name")));
        Fill(info, await AskAsync("guest-get-osinfo", cancellationToken).ConfigureAwait(false));
        info.HostName = UntrustedJson.Text(await AskAsync("guest-get-host-name", cancellationToken).ConfigureAwait(false), "host-name");
        foreach (var card in UntrustedJson.Items(await AskAsync("guest-network-get-interfaces", cancellationToken).ConfigureAwait(false), MaxItems))
        {
            info.Network.Interfaces.Add(Card(card));
        }

        foreach (var mount in UntrustedJson.Items(await AskAsync("guest-get-fsinfo", cancellationToken).ConfigureAwait(false), MaxItems))
        {
            info.FileSystems.Add(FileSystem(mount));
        }

        foreach (var user in UntrustedJson.Items(await AskAsync("guest-get-users", cancellationToken).ConfigureAwait(false), MaxItems))
        {
            info.Users.Add(new UserInfo { Name = UntrustedJson.Text(user, "user") });
        }

        return info;
    }

    /// <summary>A command that the guest may lack; missing values are left out.</summary>
    private async ValueTask<JsonElement> AskAsync(string command, CancellationToken cancellationToken)
    {
        try
        {
            return await client.CallAsync(command, null, null, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException e) when (e.Code is ChannelError.Unsupported or ChannelError.FailedPrecondition or ChannelError.InvalidArgument)
        {
            return default;
        }
    }

    private static void Fill(GuestInfo info, JsonElement untrusted)
    {
        (info.Os.Id, info.Os.VersionId, info.Os.PrettyName) = (UntrustedJson.Text(untrusted, "id"), UntrustedJson.Text(untrusted, "version-id"), UntrustedJson.Text(untrusted, "pretty-name"));
        info.Kernel.Release = UntrustedJson.Text(untrusted, "kernel-release");
        info.Kernel.Architecture = UntrustedJson.Text(untrusted, "machine");
    }

    private static NetworkInterfaceInfo Card(JsonElement untrusted)
    {
        var card = new NetworkInterfaceInfo { Name = UntrustedJson.Text(untrusted, "name"), Hardware = UntrustedJson.Text(untrusted, "hardware-address") };
        card.Addresses.AddRange(UntrustedJson.Items(untrusted, "ip-addresses", MaxItems).Select(static address =>
            string.Create(CultureInfo.InvariantCulture, $"{UntrustedJson.Text(address, "ip-address")}/{UntrustedJson.Number(address, "prefix") ?? 0}")));
        return card;
    }

    private static FileSystemUsage FileSystem(JsonElement untrusted)
    {
        var total = Math.Max(0, UntrustedJson.Number(untrusted, "total-bytes") ?? 0);
        var used = Math.Clamp(UntrustedJson.Number(untrusted, "used-bytes") ?? 0, 0, total);
        return new FileSystemUsage
        {
            Mount = UntrustedJson.Text(untrusted, "mountpoint"),
            Type = UntrustedJson.Text(untrusted, "type"),
            Source = UntrustedJson.Text(untrusted, "name"),
            TotalBytes = (ulong)total,
            AvailableBytes = (ulong)(total - used),
        };
    }
}
