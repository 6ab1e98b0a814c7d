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
    private readonly List<Func<ValueTask>> _ends = [];

    internal TestDomain this[XenDomainType type] => _domains[type];

    internal static string NameOf(XenDomainType type) => TestDomain.NameOf(Purpose, type);

    public async Task InitializeAsync()
    {
        var store = new FolderMetadataStore(_folder);
        var server = await MetadataServer.StartAsync(store);
        _ends.AddRange(server.DisposeAsync, () =>
        {
            store.Dispose();
            return ValueTask.CompletedTask;
        });
        // Both at once: each boots on a processor of its own.
        var starting = Enum.GetValues<XenDomainType>().ToDictionary(type => type, type => StartAsync(type, store, server));
        foreach (var (type, start) in starting)
        {
            var domain = _domains[type] = await start;
            _ends.Insert(0, domain.DisposeAsync);
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var end in _ends)
        {
            await end();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private static Task<TestDomain> StartAsync(XenDomainType type, FolderMetadataStore store, MetadataServer server)
    {
        var name = NameOf(type);
        store.Put(name, InstanceMetadata.Parse(Encoding.UTF8.GetBytes($"instance_id: i-{name}\nhostname: {name}.example.org\n")));
        return TestDomain.StartAsync(Purpose, type, new InstanceOptions { Metadata = server.AttachInstance(name) });
    }
}

[CollectionDefinition("shared domains")]
public class SharedDomainsCollection : ICollectionFixture<SharedDomains>;
