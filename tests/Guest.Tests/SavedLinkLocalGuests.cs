using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Guest.Tests;

/// <summary>A saved guest whose agent dials the host over the tap of a namespace.</summary>
public sealed class SavedTapGuest : SavedGuest
{
    /// <summary>The network of the saved guest.</summary>
    public LinkLocalNetwork Network { get; } = NewNetwork("a");

    public static LinkLocalNetwork NewNetwork(string name)
    {
        var network = LinkLocalNetwork.Of($"test-{name}-{Environment.ProcessId}");
        network.SetUp();
        return network;
    }

    /// <summary>A copy on its network, or on another one.</summary>
    public async Task<AttachedGuest> StartAsync(LinkLocalNetwork? other = null)
    {
        var network = other ?? Network;
        var guest = await RestoreAsync(options => options with { Network = new QemuNetwork.Tap(network) });
        return new AttachedGuest(guest, () => TransportEndpoints.Create($"tap://{network.Name}"), [guest]);
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        Network.Remove();
    }

    protected override QemuOptions Adapt(QemuOptions options) => options with
    {
        Network = new QemuNetwork.Tap(Network),
        Append = $"channel.endpoint=tcp://{LinkLocalAddresses.Host}:{LinkLocalAddresses.ChannelPort} channel.net=static",
    };
}

/// <summary>A saved guest whose agent dials the host over QEMU's user network.</summary>
public sealed class SavedUserNetGuest : SavedGuest
{
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-usernet-").FullName;

    public async Task<AttachedGuest> StartAsync(string name = "a")
    {
        // A copy has the token of the machine that it runs in, not of the one that was saved.
        var token = UserNetToken.Create(TokenFile(name));
        var network = NewNetwork(name);
        var guest = await RestoreAsync(options => options with { Network = network });
        Assert.False(File.Exists(TokenFile(name)), "the token is still on the disk");
        return new AttachedGuest(guest, () => token.Listen(network.ChannelSocket!), [guest]);
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    protected override QemuOptions Adapt(QemuOptions options)
    {
        UserNetToken.Create(TokenFile("saved")).Dispose();
        return options with
        {
            Network = NewNetwork("saved"),
            Append = $"channel.endpoint=tcp://{LinkLocalAddresses.Host}:{LinkLocalAddresses.ChannelPort} channel.net=dhcp",
        };
    }

    private QemuNetwork.User NewNetwork(string name) => new(
        Path.Combine(FindRoot(), "artifacts/host/channel-forward"), Path.Combine(_folder, name + ".channel"), Path.Combine(_folder, name + ".http"), TokenFile(name));

    private string TokenFile(string name) => Path.Combine(_folder, name + ".token");
}

[CollectionDefinition("tap guest", DisableParallelization = true)]
public class TapGuestCollection : ICollectionFixture<SavedTapGuest>;

[CollectionDefinition("user network guest", DisableParallelization = true)]
public class UserNetGuestCollection : ICollectionFixture<SavedUserNetGuest>;
