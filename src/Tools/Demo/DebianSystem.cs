using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Demo;

/// <summary>Debian with systemd from an image that knows nothing of this project: the agent comes with the personalization package.</summary>
/// <param name="image">The image, a tar archive of the root file system.</param>
/// <param name="agent">The agent's program.</param>
/// <param name="packaging">The folder with the agent's service and settings.</param>
internal sealed class DebianSystem(string image, string agent, string packaging) : DemoSystem
{
    private const string Unit = "/etc/systemd/system/channel-agent.service";
    private const string Curl = "/usr/bin/curl";
    private static readonly string[] s_arguments = ["--silent", "--fail", "--retry", "5", "--retry-connrefused"];

    public override string Name => "Debian";

    public override long DiskBytes => 2L << 30;

    public override int MemoryMiB => 512;

    public override InstanceRecord Describe(InstanceRecord record, string guestEndpoint) => record with { OsImage = image };

    public override IEnumerable<DemoFile> Files(string guestEndpoint) =>
    [
        new("/usr/bin/channel-agent", File.ReadAllBytes(agent), IsExecutable: true),
        new(Unit, File.ReadAllBytes(Path.Combine(packaging, "channel-agent.service"))),
        new("/etc/systemd/system/multi-user.target.wants/channel-agent.service", Encoding.UTF8.GetBytes(Unit), IsLink: true),
        // The one program that the demo runs in the guest, with what it may ask.
        new("/etc/channel-agent/agent.toml", Encoding.UTF8.GetBytes($"""
            endpoint = "{guestEndpoint}"
            [[exec]]
            program = "{Curl}"
            arguments = [{string.Join(", ", s_arguments.Select(a => $"\"{a}\""))}, "http://169.254.169.254/**"]

            """)),
        // The link to the host, where there is one.
        new("/etc/systemd/network/10-host.network", "[Match]\nMACAddress=02:00:a9:fe:a9:01\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"u8.ToArray()),
    ];

    /// <summary>By curl, which the guest's agent runs.</summary>
    public override async Task<string> FetchAsync(Instance instance, QemuGuest guest, string url, CancellationToken cancellationToken)
    {
        var result = await instance.Exec.RunAsync(new ExecOptions { Command = [Curl, .. s_arguments, url] }, cancellationToken: cancellationToken);
        return result.Exit.ShellCode == 0 ? Encoding.UTF8.GetString(result.Output.Span)
            : throw new ChannelException(ChannelError.Internal, ErrorClass.Fatal, $"the guest's curl ended with code {result.Exit.ShellCode}: {Encoding.UTF8.GetString(result.Error.Span)}");
    }
}
