using ChannelSdk.Host.Diagnosis;
using ChannelSdk.Host.Json;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Asks QEMU what it knows of a machine.</summary>
public static class MachineProbe
{
    private const int MaxState = 64;

    /// <summary>Connects to the monitor, asks and leaves.</summary>
    /// <param name="qmpPath">Path of its QMP socket.</param>
    /// <param name="portName">Name of the channel's virtio-serial port.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The facts; a run state "gone" if no monitor answers on the socket.</returns>
    /// <exception cref="ChannelException"><see cref="ChannelError.EndpointBusy"/>: the monitor serves another client, and it has one at a time.</exception>
    public static async Task<MachineFacts> AskAsync(
        string qmpPath, string portName = QemuOptions.DefaultPortName, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(qmpPath);
        // QMP does not tell how long the machine has run; its socket is made when it starts.
        TimeSpan? uptime = File.Exists(qmpPath) ? DateTime.UtcNow - File.GetLastWriteTimeUtc(qmpPath) : null;
        QmpClient qmp;
        try
        {
            qmp = await QmpClient.ConnectAsync(qmpPath, waitsForTurn: false, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException e) when (e.Code == ChannelError.EndpointMissing)
        {
            return new MachineFacts("gone", uptime, null);
        }

        await using var _ = qmp.ConfigureAwait(false);
        return await AskAsync(qmp, portName, uptime, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Asks over a connection that is there already.</summary>
    public static async Task<MachineFacts> AskAsync(
        QmpClient qmp, string portName = QemuOptions.DefaultPortName, TimeSpan? uptime = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(qmp);
        ArgumentNullException.ThrowIfNull(portName);
        var status = await qmp.ExecuteAsync("query-status", null, cancellationToken).ConfigureAwait(false);
        // A monitor is no more trusted than the guest that may have taken it over.
        var state = SafeText.Escape(UntrustedJson.Text(status, "status"), MaxState);
        // Whether the guest has a port open is in no structured answer, only in the monitor's text of the device tree.
        var tree = await qmp.ExecuteAsync("human-monitor-command", "{\"command-line\":\"info qtree\"}", cancellationToken).ConfigureAwait(false);
        return new MachineFacts(state, uptime, IsPortOpen(UntrustedJson.Text(tree), portName));
    }

    /// <summary>Finds the port in the text of "info qtree"; null if it is not there.</summary>
    internal static bool? IsPortOpen(string tree, string portName)
    {
        var isOurs = false;
        foreach (var raw in tree.AsSpan().EnumerateLines())
        {
            var line = raw.Trim();
            if (line.StartsWith("dev: ", StringComparison.Ordinal))
            {
                isOurs = false;
            }

            isOurs |= line.StartsWith("name = ", StringComparison.Ordinal) && line["name = ".Length..].Trim('"').SequenceEqual(portName);
            // "port 1, guest on, host off, throttle off"
            if (isOurs && line.StartsWith("port ", StringComparison.Ordinal))
            {
                return line.IndexOf("guest on", StringComparison.Ordinal) >= 0;
            }
        }

        return null;
    }
}
