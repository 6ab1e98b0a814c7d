using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>A key of the agent's file.</summary>
/// <param name="Good">A value that is not the default, as it is written.</param>
/// <param name="Is">Whether a configuration has that value.</param>
/// <param name="Bad">Values that are not allowed.</param>
internal sealed record ConfigKeyCase(string Good, Func<AgentConfig, bool> Is, params string[] Bad);

/// <summary>What each key takes and refuses. A key that is not here fails a test.</summary>
internal static class ConfigKeyCases
{
    /// <summary>By table and key.</summary>
    public static IReadOnlyDictionary<(string Table, string Key), ConfigKeyCase> All { get; } = new Dictionary<(string, string), ConfigKeyCase>
    {
        [("", "endpoint")] = new("\"unix:///run/x.sock\"", static c => c.Endpoint == "unix:///run/x.sock", "\"nonsense\"", "\"pigeon://x\"", "1"),
        [("", "heartbeat_interval")] = new("\"250ms\"", static c => c.HeartbeatInterval == TimeSpan.FromMilliseconds(250),
            "\"5\"", "\"199ms\"", "\"61s\"", "\"4294967297s\"", "\"1 s\"", "5"),
        [("", "control_socket")] = new("\"none\"", static c => c.ControlSocket is null, "\"here.sock\"", $"\"/{new string('s', 107)}\"", "\"/a\\u001b\"", "false"),
        [("", "metadata_relay")] = new("\"127.0.0.1:8080\"", static c => c.MetadataRelay == RelaySetting.Parse("127.0.0.1:8080"), "\"on\"", "\"[::1]:80\"", "false"),
        [("log", "level")] = new("\"debug\"", static c => c.LogLevel == LogLevel.Debug, "\"loud\"", "\"in\\u001b[2Jfo\"", "\"Info\"", "3"),
        [("log", "rate")] = new("1000", static c => c.LogRate == 1000, "0", "1001", "999999999999999", "\"20\""),
        [("limits", "programs")] = new("256", static c => c.MaxPrograms == 256, "0", "257", "\"8\""),
        [("limits", "overlay_mib")] = new("1048576", static c => c.OverlayLimit == 1L << 40, "0", "1048577", "\"4GiB\""),
        [("freeze", "hooks")] = new("\"/etc/h\"", static c => c.FreezeHooks == "/etc/h", "\"h\"", "\"/\"", "\"/h/\"", "[]"),
        [("freeze", "hook_timeout")] = new("\"150ms\"", static c => c.FreezeHookTimeout == TimeSpan.FromMilliseconds(150), "\"99ms\"", "\"301s\"", "10"),
        [("freeze", "max_lease")] = new("\"30s\"", static c => c.FreezeMaxLease == TimeSpan.FromSeconds(30), "\"999ms\"", "\"3601s\"", "600"),
        [("snapshot", "gate")] = new("false", static c => !c.SnapshotGate, "\"off\"", "0"),
        [("snapshot", "hooks")] = new("\"/etc/g\"", static c => c.SnapshotHooks == "/etc/g", "\"g\"", "\"/\"", "\"/g/\"", "[]"),
        [("qga", "listen")] = new("\"/run/qga.sock\"", static c => c.Qga == QgaSetting.Parse("/run/qga.sock"), "\"relative\"", "\"/run/\"", "true"),
        [("qga", "allow")] = new("[\"guest-ping\"]", static c => c.QgaCommands.Allows("guest-ping") && !c.QgaCommands.Allows("guest-exec"), "[\"guest-pin\"]", "\"*\""),
        [("qga", "deny")] = new("[\"guest-exec\"]", static c => c.QgaCommands.Allows("guest-ping") && !c.QgaCommands.Allows("guest-exec"), "[\"ping\"]", "\"guest-exec\""),
        [("qga", "freeze_lease")] = new("\"3600s\"", static c => c.QgaFreezeLease == TimeSpan.FromHours(1), "\"0s\"", "\"3601s\"", "60"),
        [("permissions", "power")] = new("false", static c => !c.Policy.AllowPower, "\"deny\"", "0"),
        [("permissions", "measure")] = new("false", static c => !c.Policy.AllowMeasure, "\"false\"", "0"),
        [("permissions", "install")] = new("true", static c => c.Policy.AllowInstall, "\"allow\"", "1"),
        [("services", "allow")] = new("[\"info.*\"]", static c => c.Policy.AllowsMethod("info.Get") && !c.Policy.AllowsMethod("power.Request"), "[\"inf.*\"]", "[\"info\"]", "\"*\""),
        [("services", "deny")] = new("[\"power.Request\"]", static c => c.Policy.AllowsMethod("info.Get") && !c.Policy.AllowsMethod("power.Request"), "[\"power.\"]", "true"),
        [("files", "read")] = new("[\"/var\"]", static c => c.Policy.Readable is ["/var"], "[\"var\"]", "[\"/var/\"]", "[\"/a/../b\"]", "\"/\""),
        [("files", "write")] = new("[\"/srv\"]", static c => c.Policy.Writable is ["/srv"], "[\"\"]", "[\"/a//b\"]", "false"),
        [("exec", "program")] = new("\"/bin/ls\"", static c => c.Policy.AllowsCommand(["/bin/ls"]), "\"ls\"", "\"/\"", "\"/bin/../bin/ls\"", "[\"/bin/ls\"]"),
        [("exec", "arguments")] = new("[\"-l\", \"...\"]", static c => c.Policy.AllowsCommand(["/bin/ls", "-l", "x"]) && !c.Policy.AllowsCommand(["/bin/ls"]), "[\"...\", \"x\"]", "\"-l\""),
        [("exec", "environment")] = new("[\"APP_*\"]", static c => c.Policy.AllowsCommand(["/bin/ls"], ["APP_X=1"]), "[\"A=b\"]", "[\"*A\"]", "[\"\"]", "\"A\""),
    };
}
