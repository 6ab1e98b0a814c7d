using System.Net;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.HostEndpoint;
using ChannelSdk.HostEndpoint.LinkLocal;
using ChannelSdk.Metadata;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.Guest.Tests;

/// <summary>A host that serves the metadata of one instance over the transport of a test.</summary>
internal sealed class MetadataHost : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-metadata-").FullName;
    private readonly List<IAsyncDisposable> _parts = [];
    private readonly CancellationTokenSource _stopping = new();

    private MetadataHost()
    {
    }

    public FolderMetadataStore Store { get; private set; } = null!;

    public MetadataInstance Instance { get; private set; } = null!;

    public static async Task<MetadataHost> StartAsync(string document)
    {
        var host = new MetadataHost();
        host.Store = new FolderMetadataStore(host._folder);
        host.Store.Put("vm1", InstanceMetadata.Parse(Encoding.UTF8.GetBytes(document)));
        var server = await MetadataServer.StartAsync(host.Store);
        host._parts.Add(server);
        host.Instance = server.AttachInstance("vm1");
        return host;
    }

    /// <summary>Serves on the tap of a network, the guest's address included.</summary>
    public void ServeTap(LinkLocalNetwork network)
    {
        var handle = network.Listen(LinkLocalAddresses.Host, LinkLocalAddresses.HttpPort);
        Instance.AddListener(new Socket(new SafeSocketHandle(handle.DangerousGetHandle(), ownsHandle: true)));
        handle.SetHandleAsInvalid();
        _parts.Add(new DhcpResponder(network));
    }

    /// <summary>Serves what the guest forward hands over.</summary>
    public void ServeForward(string socket)
    {
        var listener = new ForwardListener(socket);
        _ = Task.Run(async () =>
        {
            using (listener)
            {
                while (!_stopping.IsCancellationRequested)
                {
                    var handle = await listener.AcceptAsync(_stopping.Token);
                    var connection = new Socket(new SafeSocketHandle(handle.DangerousGetHandle(), ownsHandle: true));
                    handle.SetHandleAsInvalid();
                    _ = Instance.AcceptAsync(new NetworkStream(connection, ownsSocket: true), _stopping.Token);
                }
            }
        });
    }

    /// <summary>Serves through the channel, for the agent's relay.</summary>
    public void ServeRelay(string endpoint)
    {
        var host = new HostEndpoint.HostEndpoint();
        host.Attach("vm1", endpoint, new InstanceOptions { Metadata = Instance });
        _parts.Insert(0, host);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        foreach (var part in _parts)
        {
            await part.DisposeAsync();
        }

        Store.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
