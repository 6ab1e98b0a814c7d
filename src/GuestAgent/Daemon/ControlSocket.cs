using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.GuestAgent.Services;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime;
using ChannelSdk.Transports;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>
/// The local socket of <c>channel-agent status</c>: the same channel, with the agent as the guest and the command as
/// the host. Only the agent's own user may connect.
/// </summary>
/// <param name="path">Where it is, or null for none.</param>
/// <param name="status">The service that it offers.</param>
/// <param name="log">The log.</param>
/// <param name="time">All clocks.</param>
internal sealed class ControlSocket(string? path, StatusService status, AgentLog log, TimeProvider time) : IAsyncDisposable
{
    private Channel? _channel;

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
            log.Warning($"no control socket: the folder of {path} cannot be made; set control_socket to a path that can, or to none");
            return;
        }
        var registry = new ServiceRegistry();
        registry.Unary(ServiceMethods.AgentStatus, (_, _) => ValueTask.FromResult(status.Get()));
        _channel = new Channel(PeerRole.Guest, TransportEndpoints.Create("unix-listen://" + path), registry, GuestOptions.Local, time);
        _channel.SetState(StateWord.Ready);
        _channel.Start();
        log.Debug($"control socket {path}");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _channel?.DisposeAsync() ?? ValueTask.CompletedTask;
}
