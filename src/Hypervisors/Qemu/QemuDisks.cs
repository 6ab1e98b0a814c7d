using System.Text.Json;
using System.Text.Json.Nodes;
using ChannelSdk.Host.Json;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>The disks of a machine that runs, by its monitor.</summary>
/// <param name="qmp">The monitor.</param>
internal sealed class QemuDisks(QmpClient qmp)
{
    private const int MaxDevices = 256;
    private const string Peripherals = "/machine/peripheral/";

    /// <summary>Sizes and present nodes of a machine's disks, in their order.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: it has not that many.</exception>
    public async Task<IReadOnlyList<(string Node, long Bytes)>> FindAsync(int count, CancellationToken cancellationToken)
    {
        var devices = UntrustedJson.Items(await qmp.ExecuteAsync("query-block", null, cancellationToken).ConfigureAwait(false), MaxDevices).ToList();
        return [.. Enumerable.Range(0, count).Select(i => Find(devices, QemuDevices.NameOf(i)))];
    }

    /// <summary>Lets all disks write to overlays from now on, all or none of them. The machine stands still.</summary>
    public Task CutAsync(IReadOnlyList<string> nodes, IReadOnlyList<string> overlays, CancellationToken cancellationToken)
    {
        var actions = new JsonArray();
        foreach (var (index, node) in nodes.Index())
        {
            actions.Add(new JsonObject
            {
                ["type"] = "blockdev-snapshot-sync",
                ["data"] = new JsonObject
                {
                    ["node-name"] = node,
                    ["snapshot-file"] = overlays[index],
                    // Of which no other has the name: it is cut again some day.
                    ["snapshot-node-name"] = $"s{Guid.NewGuid():N}"[..24],
                    ["format"] = Qcow2Overlay.Format,
                    ["mode"] = "existing",
                },
            });
        }

        return qmp.ExecuteAsync("transaction", new JsonObject { ["actions"] = actions }.ToJsonString(), cancellationToken);
    }

    private static (string Node, long Bytes) Find(List<JsonElement> untrusted, string name)
    {
        foreach (var device in untrusted)
        {
            var place = UntrustedJson.Text(device, "qdev");
            if ((place == name || place == Peripherals + name || place.StartsWith($"{Peripherals}{name}/", StringComparison.Ordinal))
                && UntrustedJson.Member(device, "inserted") is { } inserted && UntrustedJson.Member(inserted, "image") is { } image
                && UntrustedJson.Number(image, "virtual-size") is { } bytes and > 0)
            {
                return (UntrustedJson.Text(inserted, "node-name"), bytes);
            }
        }

        throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"the machine has no {name}, of which the snapshot is to be taken");
    }
}
