using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>The configuration in force, which the policy and the log follow, and how it is read again.</summary>
/// <param name="policy">The policy.</param>
/// <param name="log">The log.</param>
internal sealed class AgentSettings(AgentPolicy policy, AgentLog log)
{
    private Func<AgentConfig> _read = static () => new AgentConfig();
    private volatile AgentConfig _current = new();

    /// <summary>The configuration.</summary>
    public AgentConfig Current => _current;

    /// <summary>Reads it the first time.</summary>
    /// <param name="read">Reads it, now and each further time, with the same flags.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>, or <see cref="ChannelError.BadEndpointUri"/> for a wrong endpoint.</exception>
    public AgentConfig Read(Func<AgentConfig> read)
    {
        _read = read;
        Follow(_current = read());
        return _current;
    }

    /// <summary>Reads settings and policy again; with an error in the file all of them stay as they are.</summary>
    public void ReadAgain()
    {
        AgentConfig fresh;
        try
        {
            fresh = _read();
        }
        catch (ChannelException e)
        {
            foreach (var line in e.Message.Split('\n'))
            {
                log.Error(line);
            }

            log.Error("configuration and policy were not taken; those before stay in force");
            return;
        }

        var old = _current;
        var needsRestart = fresh.Endpoint != old.Endpoint || fresh.ControlSocket != old.ControlSocket
            || fresh.HeartbeatInterval != old.HeartbeatInterval || fresh.MetadataRelay != old.MetadataRelay || fresh.Qga != old.Qga;
        // What the running channels were made with must still be what status shows.
        _current = fresh with
        {
            Endpoint = old.Endpoint,
            ControlSocket = old.ControlSocket,
            HeartbeatInterval = old.HeartbeatInterval,
            MetadataRelay = old.MetadataRelay,
            Qga = old.Qga,
        };
        Follow(fresh);
        log.Info("configuration and policy were read again");
        if (needsRestart)
        {
            log.Warning("endpoint, heartbeat_interval, control_socket, metadata_relay and [qga] listen take effect at the next start");
        }
    }

    private void Follow(AgentConfig config)
    {
        policy.Current = config.Policy;
        (log.Level, log.Rate) = (config.LogLevel, config.LogRate);
    }
}
