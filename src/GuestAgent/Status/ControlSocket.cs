using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Services.Agent;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Status;

/// <summary>
/// The local socket of <c>channel-agent status</c>: the same channel, with the agent as the guest and the command as
/// the host; a few commands may run at a time. Only the agent's own user may connect.
/// </summary>
/// <param name="path">Where it is, or null for none.</param>
/// <param name="status">The service that it offers.</param>
/// <param name="log">The log.</param>
/// <param name="time">All clocks.</param>
internal sealed class ControlSocket(string? path, StatusService status, AgentLog log, TimeProvider time) : IAsyncDisposable
{
    private const int MaxCommands = 4;

    private ChannelListener? _listener;

    /// <summary>Makes the socket's folder and begins to listen. The agent works without it, so a failure is a warning.</summary>
    public void Start()
    {
        if (path is null)
        {
            return;
        }

        try
        {
            if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
            {
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Warning($"no control socket: the folder of {path} cannot be made; set control_socket to a path that can, or to \"none\"");
            return;
        }

        var registry = new ServiceRegistry();
        registry.Unary(AgentMethods.Status, (_, _) => ValueTask.FromResult(status.Get()));
        _listener = new ChannelListener(
            PeerRole.Guest, TransportEndpoints.Create("unix-listen://" + path), registry, MaxCommands, GuestOptions.Local,
            static channel => channel.SetState(StateWord.Ready), time);
        _listener.Start();
        log.Debug($"control socket {path}");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _listener?.DisposeAsync() ?? ValueTask.CompletedTask;
}
