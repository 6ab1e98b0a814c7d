using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Demo;

/// <summary>The demo guest's metadata: fetched inside the guest, changed on the host, fetched again.</summary>
internal sealed class DemoMetadata : IAsyncDisposable
{
    private const string Url = "http://169.254.169.254/latest/meta-data/local-hostname";
    private readonly string _folder;
    private readonly FolderMetadataStore _store;
    private readonly MetadataServer _server;

    private DemoMetadata(FolderMetadataStore store, MetadataServer server, string folder)
    {
        (_store, _server, _folder) = (store, server, folder);
        Instance = server.AttachInstance("demo");
    }

    public MetadataInstance Instance { get; }

    public static async Task<DemoMetadata> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-demo-").FullName;
        var store = new FolderMetadataStore(folder);
        store.Put("demo", InstanceMetadata.Parse("instance_id: i-demo\nhostname: before.example.org\n"u8.ToArray()));
        return new DemoMetadata(store, await MetadataServer.StartAsync(store), folder);
    }

    /// <summary>Shows both; throws if the guest does not see what the host has set.</summary>
    /// <param name="fetch">Fetches a URL inside the guest.</param>
    /// <param name="say">Shows a line.</param>
    public async Task ShowAsync(Func<string, Task<string>> fetch, Action<string> say)
    {
        say($"the guest fetches {Url}");
        say("  " + Checked(await fetch(Url), "before.example.org"));
        _store.Merge("demo", "{\"hostname\":\"after.example.org\"}"u8);
        say("host: hostname changed; the guest asks again");
        say("  " + Checked(await fetch(Url), "after.example.org"));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _store.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string Checked(string answer, string expected) => answer == expected ? answer
        : throw new InvalidOperationException($"the guest's metadata says '{SafeText.Escape(answer)}' where '{expected}' was set");
}
