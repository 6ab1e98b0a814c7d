using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Host.Diagnosis;

/// <summary>Puts together what the transport, the heartbeats and, if asked, the machine's monitor say.</summary>
public static class Diagnostician
{
    /// <summary>A guest that has run for less than this may still be on its way.</summary>
    public static readonly TimeSpan BootTime = TimeSpan.FromMinutes(2);

    /// <summary>A heartbeat older than this is no sign of life.</summary>
    public static readonly TimeSpan SilenceTime = TimeSpan.FromSeconds(5);

    /// <summary>Judges. What the machine's monitor says goes before what the guest says, as it does not depend on it.</summary>
    /// <param name="status">The instance at one moment.</param>
    /// <param name="machine">What the monitor says; null without one.</param>
    public static Diagnosis Judge(InstanceStatus status, MachineFacts? machine = null)
    {
        ArgumentNullException.ThrowIfNull(status);
        switch (machine?.RunState)
        {
            case null or "running":
                break;
            case "paused" or "suspended" or "prelaunch" or "inmigrate" or "postmigrate" or "save-vm" or "restore-vm" or "finish-migrate":
                return new Diagnosis(Condition.Paused, $"the machine is not running: its monitor says '{SafeText.Escape(machine.RunState)}'; resume it ('cont')");
            default:
                return new Diagnosis(Condition.Dead, $"the machine has stopped: its monitor says '{SafeText.Escape(machine.RunState)}'; start it again");
        }

        return status.Reachability == Reachability.Up ? OfConnected(status) : OfUnconnected(status, machine);
    }

    private static Diagnosis OfConnected(InstanceStatus status)
    {
        var until = status.Channel.PeerHeartbeat?.Until;
        var ends = until is { } t ? $"until {t:u} by the guest's clock" : "without saying until when";
        if (status.Channel.ReceivePause is { } pause && pause > TimeSpan.Zero)
        {
            return new Diagnosis(Condition.RateLimited, $"the guest sent more than its rate limit allows and is not read for another {pause.TotalSeconds:0.0} s; raise the limit or wait");
        }

        if (status.Channel.HeartbeatAge is { } age && age > SilenceTime)
        {
            return new Diagnosis(Condition.AgentSilent, $"the link is up and the last heartbeat is {age.TotalSeconds:0} s old; the guest is overloaded or its agent hangs");
        }

        return status.State switch
        {
            StateWord.Freezing => new Diagnosis(Condition.Frozen, $"its file systems are being frozen; the lease holds {ends}", until),
            StateWord.Frozen => new Diagnosis(Condition.Frozen, $"its file systems are frozen {ends}; it thaws by itself then, or now by a thaw", until),
            StateWord.Busy or StateWord.Installing => new Diagnosis(Condition.Busy, $"its agent is alive and busy ({status.State}); wait", until),
            StateWord.Starting or StateWord.Unknown => new Diagnosis(Condition.Booting, "its agent is connected and not ready yet; wait"),
            StateWord.Repairing => new Diagnosis(Condition.Repairing, "it is a copy that is being repaired, or whose repair has failed; snapshot.Status tells which step"),
            StateWord.Stopping => new Diagnosis(Condition.Stopping, "it is on its way down"),
            _ => new Diagnosis(Condition.Ready, "its agent is connected and ready"),
        };
    }

    private static Diagnosis OfUnconnected(InstanceStatus status, MachineFacts? machine)
    {
        var error = status.Channel.LastError;
        var reason = error is null ? "" : $" ({SafeText.Escape(error.Message)})";
        if (status.Channel.LinkState == LinkState.Opening && error is { Code: ChannelError.EndpointBusy })
        {
            return new Diagnosis(Condition.InUse, $"another client holds the channel{reason}; stop it, or ask through it");
        }

        if (machine is null && status.Channel.LinkState == LinkState.Opening && error is { Origin: ErrorOrigin.Transport })
        {
            return status.Reachability == Reachability.NeverConnected
                ? new Diagnosis(Condition.NeverConnected, $"the channel cannot be opened{reason}; is the machine started, and the path right?")
                : new Diagnosis(Condition.Dead, $"its agent was connected, and the channel has gone{reason}; the machine has ended or was restarted elsewhere");
        }

        if (machine?.IsPortOpen == true || status.Reachability == Reachability.LinkLost)
        {
            return new Diagnosis(Condition.AgentSilent, machine?.IsPortOpen == false
                ? $"its agent was connected and has closed the port{reason}; look at the agent's log in the guest"
                : $"somebody in the guest has or had the port open and does not answer{reason}; look at the agent's log in the guest");
        }

        if (machine?.Uptime < BootTime)
        {
            return new Diagnosis(Condition.Booting, $"the machine has run for {machine.Uptime.Value.TotalSeconds:0} s and its agent is not there yet; wait");
        }

        return machine is null
            ? new Diagnosis(Condition.DriverOrAgentMissing, $"the channel is open and nobody answers{reason}: the guest boots, or has no virtio-console driver or no agent; --qmp tells more")
            : new Diagnosis(Condition.DriverOrAgentMissing, machine.IsPortOpen is null
                ? "the machine runs and has no port of this channel's name; add the virtserialport device"
                : "the machine runs and nobody in it has opened the port: its virtio-console driver or its agent is missing or not started");
    }
}
