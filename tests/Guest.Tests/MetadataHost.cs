using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.LinkLocal;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Relay;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Guest.Tests;

/// <summary>A host that serves the metadata of one instance over the transport of a test.</summary>
internal sealed class MetadataHost : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-metadata-").FullName;
    private readonly List<IAsyncDisposable> _parts = [];

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
        host.Listeners = new MetadataListeners(host.Instance);
        host._parts.Insert(0, host.Listeners);
        return host;
    }

    public MetadataListeners Listeners { get; private set; } = null!;

    /// <summary>Serves through the channel, for the agent's relay.</summary>
    public void ServeRelay(ITransportEndpoint endpoint)
    {
        var host = new ChannelHost();
        host.Attach("vm1", endpoint, new InstanceOptions { Serve = services => services.ServeMetadata(Instance) });
        _parts.Insert(0, host);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var part in _parts)
        {
            await part.DisposeAsync();
        }

        Store.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
