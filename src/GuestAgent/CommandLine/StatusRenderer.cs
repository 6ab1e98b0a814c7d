using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Status;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary>Renders an agent's status as lines for a person or as JSON for a script.</summary>
internal static class StatusRenderer
{
    private const int MaxText = 300;

    /// <summary>0 when the host can use the agent now, else 1.</summary>
    public static int ExitCodeOf(AgentStatus status) =>
        status is { State: StateNames.Ready, Link: StateNames.Up } && status.Session.Length > 0
            ? ExitCode.Success : ExitCode.NotConnected;

    /// <summary>Aligned lines; texts from the other side are escaped.</summary>
    public static string Text(AgentStatus status)
    {
        var result = new StringBuilder();
        Line(result, "state", status.State);
        Line(result, "endpoint", status.Endpoint);
        Line(result, "link", status.Link + (status.Peer.Length > 0 ? $" with {status.Peer}" : ""));
        Line(result, "session", status.Session.Length == 0 ? "none"
            : $"{status.Session}, resumed {status.Resumes.ToString(CultureInfo.InvariantCulture)} times, protocol {status.ProtocolVersion}");
        Line(result, "host", status.HasHeartbeatAgeMs
            ? $"{status.PeerState}, heard {Seconds(status.HeartbeatAgeMs)} ago" : "not heard yet");
        Line(result, "bytes", $"{status.BytesIn} in, {status.BytesOut} out");
        Line(result, "agent", $"version {status.Version}, pid {status.Pid}, up {Seconds(status.UptimeMs)}, {status.RssBytes / 1024} KiB resident");
        Line(result, "config", status.ConfigFile.Length > 0 ? status.ConfigFile : "built-in defaults");
        Line(result, "generation", status.Generation.Length > 0 ? status.Generation : "none yet");
        Line(result, "methods", string.Join(' ', status.Methods));
        if (status.LastErrorCode != 0)
        {
            Line(result, "last error", $"{status.LastErrorCode} {status.LastError}");
        }

        return result.ToString().TrimEnd('\n');
    }

    /// <summary>One JSON object with the names of agent.proto; a value that is not known is null.</summary>
    public static string Json(AgentStatus status)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("state"u8, status.State);
            json.WriteBoolean("ready"u8, ExitCodeOf(status) == ExitCode.Success);
            json.WriteString("endpoint"u8, status.Endpoint);
            json.WriteString("link"u8, status.Link);
            WriteText(json, "session"u8, status.Session);
            json.WriteNumber("resumes"u8, status.Resumes);
            WriteText(json, "peer"u8, status.Peer);
            WriteText(json, "peer_state"u8, status.PeerState);
            if (status.HasHeartbeatAgeMs)
            {
                json.WriteNumber("heartbeat_age_ms"u8, status.HeartbeatAgeMs);
            }
            else
            {
                json.WriteNull("heartbeat_age_ms"u8);
            }

            json.WriteNumber("bytes_in"u8, status.BytesIn);
            json.WriteNumber("bytes_out"u8, status.BytesOut);
            json.WriteNumber("protocol_version"u8, status.ProtocolVersion);
            json.WriteNumber("last_error_code"u8, status.LastErrorCode);
            WriteText(json, "last_error"u8, status.LastError);
            json.WriteString("version"u8, status.Version);
            json.WriteNumber("pid"u8, status.Pid);
            json.WriteNumber("uptime_ms"u8, status.UptimeMs);
            json.WriteNumber("rss_bytes"u8, status.RssBytes);
            WriteText(json, "config_file"u8, status.ConfigFile);
            WriteText(json, "generation"u8, status.Generation);
            json.WriteStartArray("methods"u8);
            foreach (var method in status.Methods)
            {
                json.WriteStringValue(method);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Line(StringBuilder result, string name, string value) =>
        result.Append(name.PadRight(12)).Append(LogText.Escape(value, MaxText)).Append('\n');

    private static string Seconds(ulong milliseconds) =>
        (milliseconds / 1000.0).ToString("0.0", CultureInfo.InvariantCulture) + " s";

    private static void WriteText(Utf8JsonWriter json, ReadOnlySpan<byte> name, string value)
    {
        if (value.Length > 0)
        {
            json.WriteString(name, value);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
