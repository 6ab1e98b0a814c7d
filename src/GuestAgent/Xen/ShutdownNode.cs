using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Power;
using ChannelSdk.Transports.Xen.Devices;
using ChannelSdk.Transports.Xen.Store;

namespace ChannelSdk.GuestAgent.Xen;

/// <summary>
/// Honours what a toolstack writes into the domain's node control/shutdown (Xen's misc/xenstore-paths), under the policy of
/// power.Request.
/// </summary>
/// <remarks>
/// Linux has its own watch there (drivers/xen/manage.c), which comes first: it takes the commands that it knows by writing an empty
/// value, and runs /sbin/poweroff or /sbin/reboot. Then nothing is left here. A command that stays is the agent's. Both together harm
/// nothing: what stops the guest twice stops it.
/// </remarks>
/// <param name="isXen">Whether there is a toolstack of Xen; else nothing is done.</param>
/// <param name="power">What stops the guest.</param>
/// <param name="gate">The policy.</param>
/// <param name="log">The log.</param>
internal sealed class ShutdownNode(bool isXen, PowerService power, ServiceGate gate, AgentLog log) : IAsyncDisposable
{
    private const string Node = "control/shutdown";

    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    /// <summary>Begins to watch.</summary>
    public void Start() => _running = isXen ? RunAsync() : Task.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        try
        {
            using var store = XenStore.Connect();
            await ServeAsync(store, _stop.Token).ConfigureAwait(false);
        }
        catch (ChannelException e)
        {
            log.Warning($"power requests of Xen's toolstack are not seen: {e.Message}");
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
    }

    /// <summary>Serves the node over a connection until it ends.</summary>
    internal async Task ServeAsync(XenStore store, CancellationToken cancellationToken)
    {
        await store.WatchAsync(Node, cancellationToken).ConfigureAwait(false);
        while (!store.HasFailed)
        {
            var changed = store.Changed;
            if (ActionOf(await store.ReadAsync(Node, cancellationToken).ConfigureAwait(false)) is { } action)
            {
                await store.WriteAsync(Node, "", cancellationToken).ConfigureAwait(false);
                Request(action);
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static PowerAction? ActionOf(string? untrusted) => untrusted switch
    {
        "poweroff" => PowerAction.Shutdown,
        "reboot" => PowerAction.Reboot,
        "halt" => PowerAction.Halt,
        _ => null,
    };

    private void Request(PowerAction action)
    {
        try
        {
            gate.Pass(PowerMethods.Request.Name, Node);
            power.Request(new PowerCommand { Action = action, Reason = Node });
        }
        catch (ChannelException e)
        {
            log.Warning($"{Node}: {e.Message}");
        }
    }
}
