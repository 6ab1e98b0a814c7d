using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.Host.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Toml;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>The agent's file and the host's policy, as anybody may have written them: values within their bounds, or errors in words that a terminal can show.</summary>
internal sealed class TomlTarget : IFuzzTarget
{
    private static readonly AgentNames s_names = new(["info.Get", "files.Read", "files.Write", "exec.Run", "power.Shutdown"], ["guest-ping", "guest-exec"]);

    public string Name => "toml";

    public int MaxLength => 4096;

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        [.. "# policy\n[services]\nallow = [\"info.*\", \"files.Read\"]\ndeny = ['power.Shutdown']\n\n[files]\nread = [\"/var/log\", \"/etc\\u002fx\"]\n\n[[exec]]\nprogram = \"/bin/true\"\narguments = [\"-a\", \"**\"]\n"u8],
        [.. "endpoint = \"virtio-port://x\"\nmetadata_relay = \"127.0.0.1:80\"\n[log]\nlevel = \"debug\"\nrate = 100\n[freeze]\nhook_timeout = \"5s\"\n[qga]\nlisten = \"auto\"\ndeny = [\"guest-exec\", \"guest-ping\"]\n[permissions]\npower = false\n"u8],
        [.. "[services]\nallow = [\"info.*\", \"freeze.Thaw\"]\n[guest]\nallow = [\"metadata.Relay\"]\n"u8],
    ];

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        [.. "[services]\n"u8], [.. "[files]\n"u8], [.. "[[exec]]\n"u8], [.. "[guest]\n"u8], [.. "[log]\n"u8], [.. "[limits]\n"u8], [.. "[freeze]\n"u8], [.. "[qga]\n"u8], [.. "[permissions]\n"u8],
        [.. "allow = ["u8], [.. "deny = ["u8], [.. "program = \""u8], [.. "arguments = ["u8], [.. "environment = ["u8], [.. "read = ["u8], [.. "\\u00"u8], [.. "\", \""u8], [.. "\"\n"u8],
        [.. "]\n"u8], [.. "#"u8], [.. " = "u8], [.. "endpoint = \"unix-listen:///"u8], [.. "vsock://2:5\"\n"u8], [.. "tcp://169.254.169.254:9254"u8], [.. "vchan-listen://0/x\"\n"u8], [.. "heartbeat_interval = \""u8],
        [.. "500ms\"\n"u8], [.. "control_socket = \"/"u8], [.. "overlay_mib = "u8], [.. "metadata_relay = \""u8], [.. "power = false\n"u8], [.. "rate = "u8], [.. "true\n"u8], [.. "1000\n"u8], [.. "\xc3\xa9"u8],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        try
        {
            foreach (var entry in TomlReader.Read(input))
            {
                BrokenPromiseException.ThrowUnless(entry.Value is not string value || value.Length <= TomlReader.MaxString, "a long text was taken");
                BrokenPromiseException.ThrowUnless(entry.Value is not string[] items || items.Length <= TomlReader.MaxItems, "a long list was taken");
                BrokenPromiseException.ThrowUnless(entry.Key.Length == 0 ? entry.Value is null : entry.Value is string or string[] or bool or >= 0L, "a value of no known kind was taken");
            }
        }
        catch (TomlException e)
        {
            BrokenPromiseException.ThrowUnless(e.Line >= 1 && IsShown(e.Message), $"an error that cannot be shown: {e.Message}");
        }

        var bytes = input.ToArray();
        Judge(() => ConfigReader.Parse(bytes, "agent.toml", new AgentConfig(), s_names));
        Judge(() => HostPolicy.Parse(bytes, "policy.toml"));
    }

    private static void Judge(Action read)
    {
        try
        {
            read();
        }
        catch (ChannelException e)
        {
            BrokenPromiseException.ThrowUnless(e.Code == ChannelError.BadConfiguration && e.Message.Split('\n').All(IsShown), $"an error that cannot be shown: {e.Code} {e.Message}");
        }
    }

    private static bool IsShown(string line) => line.Length < 2000 && !line.Any(char.IsControl);
}
