using System.Globalization;
using System.Text.Json;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.HostEndpoint.Qga;

/// <summary>What a guest says of itself by qemu-ga, as far as its commands and their permission go.</summary>
internal sealed class QgaInfo(QgaClient client)
{
    private const int MaxItems = 256;

    public async ValueTask<GuestInfo> GetAsync(CancellationToken cancellationToken)
    {
        var agent = await client.CallAsync("guest-info", null, null, cancellationToken).ConfigureAwait(false);
        var info = new GuestInfo
        {
            Agent = new AgentInfo { Version = $"qemu-ga {QgaErrors.Text(agent, "version")}" },
            Os = new OsInfo(),
            Kernel = new KernelInfo(),
            Memory = new MemoryInfo(),
            Load = new LoadInfo(),
            Network = new NetworkInfo(),
        };
        info.Methods.AddRange(QgaErrors.Items(agent, "supported_commands", MaxItems)
            .Where(static command => QgaErrors.IsTrue(command, "enabled")).Select(static command => QgaErrors.Text(command, "name")));
        Fill(info, await AskAsync("guest-get-osinfo", cancellationToken).ConfigureAwait(false));
        info.HostName = QgaErrors.Text(await AskAsync("guest-get-host-name", cancellationToken).ConfigureAwait(false), "host-name");
        foreach (var card in QgaErrors.Items(await AskAsync("guest-network-get-interfaces", cancellationToken).ConfigureAwait(false), MaxItems))
        {
            info.Network.Interfaces.Add(Card(card));
        }

        foreach (var mount in QgaErrors.Items(await AskAsync("guest-get-fsinfo", cancellationToken).ConfigureAwait(false), MaxItems))
        {
            info.FileSystems.Add(FileSystem(mount));
        }

        foreach (var user in QgaErrors.Items(await AskAsync("guest-get-users", cancellationToken).ConfigureAwait(false), MaxItems))
        {
            info.Users.Add(new UserInfo { Name = QgaErrors.Text(user, "user") });
        }

        return info;
    }

    /// <summary>A command that the guest may lack; what it does not tell is left out.</summary>
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
        (info.Os.Id, info.Os.VersionId, info.Os.PrettyName) = (QgaErrors.Text(untrusted, "id"), QgaErrors.Text(untrusted, "version-id"), QgaErrors.Text(untrusted, "pretty-name"));
        info.Kernel.Release = QgaErrors.Text(untrusted, "kernel-release");
        info.Kernel.Architecture = QgaErrors.Text(untrusted, "machine");
    }

    private static NetworkInterfaceInfo Card(JsonElement untrusted)
    {
        var card = new NetworkInterfaceInfo { Name = QgaErrors.Text(untrusted, "name"), Hardware = QgaErrors.Text(untrusted, "hardware-address") };
        card.Addresses.AddRange(QgaErrors.Items(untrusted, "ip-addresses", MaxItems).Select(static address =>
            string.Create(CultureInfo.InvariantCulture, $"{QgaErrors.Text(address, "ip-address")}/{QgaErrors.Number(address, "prefix") ?? 0}")));
        return card;
    }

    private static FileSystemUsage FileSystem(JsonElement untrusted)
    {
        var total = Math.Max(0, QgaErrors.Number(untrusted, "total-bytes") ?? 0);
        var used = Math.Clamp(QgaErrors.Number(untrusted, "used-bytes") ?? 0, 0, total);
        return new FileSystemUsage
        {
            Mount = QgaErrors.Text(untrusted, "mountpoint"),
            Type = QgaErrors.Text(untrusted, "type"),
            Source = QgaErrors.Text(untrusted, "name"),
            TotalBytes = (ulong)total,
            AvailableBytes = (ulong)(total - used),
        };
    }
}
