using System.Text;
using ChannelSdk.HostEndpoint;
using ChannelSdk.HostEndpoint.Launch;
using ChannelSdk.Metadata;

namespace ChannelSdk.InXen;

/// <summary>A domain of each type that tests share which leave it as it is; it has metadata.</summary>
public sealed class SharedDomains : IAsyncLifetime
{
    private const string Purpose = "shared";

    private readonly string _folder = Directory.CreateTempSubdirectory("metadata-").FullName;
    private readonly Dictionary<XenDomainType, TestDomain> _domains = [];
    private FolderMetadataStore? _store;
    private MetadataServer? _server;

    internal TestDomain this[XenDomainType type] => _domains[type];

    internal static string NameOf(XenDomainType type) => TestDomain.NameOf(Purpose, type);

    public async Task InitializeAsync()
    {
        _store = new FolderMetadataStore(_folder);
        _server = await MetadataServer.StartAsync(_store);
        foreach (var type in Enum.GetValues<XenDomainType>())
        {
            var name = NameOf(type);
            _store.Put(name, InstanceMetadata.Parse(Encoding.UTF8.GetBytes($"instance_id: i-{name}\nhostname: {name}.example.org\n")));
            _domains[type] = await TestDomain.StartAsync(Purpose, type, new InstanceOptions { Metadata = _server.AttachInstance(name) });
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var domain in _domains.Values)
        {
            await domain.DisposeAsync();
        }

        await _server!.DisposeAsync();
        _store!.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}

[CollectionDefinition("shared domains")]
public class SharedDomainsCollection : ICollectionFixture<SharedDomains>;
