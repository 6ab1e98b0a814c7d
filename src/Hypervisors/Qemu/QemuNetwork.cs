using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>The link-local network of a QEMU guest, its last NIC.</summary>
public abstract record QemuNetwork
{
    /// <summary>MAC address of the NIC, locally administered; the same in every guest, as every guest has its own link.</summary>
    public const string MacAddress = "02:00:a9:fe:a9:01";

    /// <summary>A fixed slot: a state file can only be restored onto the same places.</summary>
    private const string Slot = "07";

    private QemuNetwork()
    {
    }

    /// <summary>QEMU's arguments.</summary>
    /// <param name="files">Gets what QEMU is given open.</param>
    /// <param name="user">Whom QEMU runs as; null for this process's user.</param>
    /// <exception cref="ChannelException">Something cannot be opened.</exception>
    internal virtual IEnumerable<string> Arguments(QemuDescriptors files, QemuUser? user) =>
        ["-netdev", Backend(files), "-device", $"virtio-net-pci,netdev=link0,id=link0,mac={MacAddress},addr={Slot},romfile="];

    /// <summary>The value of <c>-netdev</c>; its id is link0.</summary>
    internal abstract string Backend(QemuDescriptors files);

    /// <summary>A file of this user's that QEMU reads when it starts and that is removed then; null if there is none.</summary>
    internal virtual string? SecretFile => null;

    /// <summary>Runs what starts QEMU, where its network is unless it has an empty one.</summary>
    internal virtual T Run<T>(Func<T> start) => start();

    /// <summary>The tap of a namespace that is set up, which QEMU is given open. It has no other network.</summary>
    /// <param name="Network">The network.</param>
    public sealed record Tap(LinkLocalNetwork Network) : QemuNetwork
    {
        /// <inheritdoc/>
        internal override string Backend(QemuDescriptors files) => $"tap,id=link0,fd={files.Add(Network.OpenTap())}";

        /// <inheritdoc/>
        internal override T Run<T>(Func<T> start) => Network.Run(start);
    }

    /// <summary>QEMU's user network: no privilege, and nothing in it but the forwards to this instance's sockets.</summary>
    /// <param name="ForwardProgram">Absolute path of <c>channel-forward</c>.</param>
    /// <param name="ChannelSocket">Socket of the channel's <c>usernet://</c> endpoint, or null for a guest whose channel goes another way.</param>
    /// <param name="HttpSocket">Socket of a <see cref="ForwardListener"/> for port 80, or null for none.</param>
    /// <param name="TokenFile">
    /// The file of a <see cref="UserNetToken"/>, by which the agent shows that it is no other process of the guest: QEMU gives it to
    /// root of the guest, and it is removed once QEMU has read it. Null: any process of the guest can take the agent's place.
    /// </param>
    public sealed record User(string ForwardProgram, string? ChannelSocket, string? HttpSocket = null, string? TokenFile = null) : QemuNetwork
    {
        /// <inheritdoc/>
        internal override string? SecretFile => TokenFile;

        /// <inheritdoc/>
        internal override IEnumerable<string> Arguments(QemuDescriptors files, QemuUser? user) => TokenFile is null ? base.Arguments(files, user)
            : [.. base.Arguments(files, user), "-fw_cfg", $"name={UserNetToken.FirmwareName},file={QemuArguments.Value(user is { } other ? files.AddPath(QemuFolder.Give(TokenFile, other)) : TokenFile)}"];

        /// <inheritdoc/>
        internal override string Backend(QemuDescriptors files) =>
            // The host's own address must not be the forwarded one; restrict=on closes it and everything behind it.
            $"user,id=link0,restrict=on,ipv6=off,net=169.254.169.0/24,host=169.254.169.2,dns=169.254.169.3,dhcpstart={LinkLocalAddresses.Guest}"
            + Forward(LinkLocalAddresses.ChannelPort, ChannelSocket)
            + Forward(LinkLocalAddresses.HttpPort, HttpSocket);

        private string Forward(int port, string? socket) => socket is null ? "" : $",guestfwd=tcp:{LinkLocalAddresses.Host}:{port}-cmd:{QemuArguments.Value($"{ShellQuote(ForwardProgram)} {ShellQuote(socket)}")}";

        // The user network takes its command apart as a shell would.
        private static string ShellQuote(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }
}
