using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Demo;

/// <summary>A small system out of what its appliance has in it, by the scripts of an OS definition; its console is a shell.</summary>
internal sealed class SmallSystem : DemoSystem
{
    public override string Name => "a small system";

    public override long DiskBytes => 128 << 20;

    public override int MemoryMiB => 256;

    public override IEnumerable<DemoFile> Files(string guestEndpoint) => [];

    public override InstanceRecord Describe(InstanceRecord record, string guestEndpoint) => record with
    {
        OsDefinition = "busybox-os",
        Parameters = new Dictionary<string, OsParameter>
        {
            ["greeting"] = OsParameter.Public("Installed by the demo"),
            ["endpoint"] = OsParameter.Public(guestEndpoint),
        },
    };

    public override SecretParameters Secrets()
    {
        var secrets = new SecretParameters();
        secrets.Add("root_password", SecretValue.CopyOf(RandomNumberGenerator.GetHexString(16).Select(c => (byte)c).ToArray()));
        return secrets;
    }

    /// <summary>By wget, typed on the console.</summary>
    public override async Task<string> FetchAsync(Instance instance, QemuGuest guest, string url, CancellationToken cancellationToken)
    {
        // Brackets by their numbers, and others each time: the terminal may show what is typed, and what was asked before.
        var mark = RandomNumberGenerator.GetHexString(8);
        using var console = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await console.ConnectAsync(new UnixDomainSocketEndPoint(guest.ConsoleSocket), cancellationToken);
        await console.SendAsync(Encoding.ASCII.GetBytes($"printf '\\133{mark} %s\\135\\n' \"$(wget -qO- {url})\"\n"), cancellationToken);
        var (seen, buffer, begin) = (new StringBuilder(), new byte[1024], $"[{mark} ");
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        soon.CancelAfter(TimeSpan.FromSeconds(30));
        while (true)
        {
            var count = await console.ReceiveAsync(buffer, soon.Token);
            seen.Append(Encoding.UTF8.GetString(buffer, 0, count));
            var text = seen.ToString();
            if (text.IndexOf(begin, StringComparison.Ordinal) is >= 0 and var at && text.IndexOf(']', at) is >= 0 and var end)
            {
                return text[(at + begin.Length)..end];
            }
        }
    }
}
