using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Relay;
using ChannelSdk.Metadata.Store;

namespace ChannelSdk.InXen;

/// <summary>A domain of each type that tests share which leave it as it is; it has metadata.</summary>
public sealed class SharedDomains : IAsyncLifetime
{
    private const string Purpose = "shared";

    private readonly string _folder = Directory.CreateTempSubdirectory("metadata-").FullName;
    private readonly Dictionary<XenDomainType, TestDomain> _domains = [];
    private readonly List<Func<ValueTask>> _ends = [];

    /// <exception cref="InvalidOperationException">It has ended, which no test wants.</exception>
    internal TestDomain this[XenDomainType type] => _domains[type] is { Guest.Exited.IsCompleted: false } domain ? domain
        : throw new InvalidOperationException($"{NameOf(type)} has ended by itself: {EmulatorFault.LastWords()}");

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
        // Both at once: each boots on its own processor.
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
        // Once, not in Serve: that runs again if the domain's boot is tried again.
        var metadata = server.AttachInstance(name);
        return TestDomain.StartAsync(Purpose, type, new InstanceOptions { Serve = services => services.ServeMetadata(metadata) });
    }
}

[CollectionDefinition("shared domains")]
public class SharedDomainsCollection : ICollectionFixture<SharedDomains>;
