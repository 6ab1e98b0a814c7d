using System.Net.Sockets;
using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Demo;

/// <summary>The demo guest's metadata: fetched inside the guest by wget through the agent's relay, changed on the host, fetched again.</summary>
internal sealed class DemoMetadata : IAsyncDisposable
{
    private const string Url = "http://169.254.169.254/latest/meta-data";
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
    public async Task ShowAsync(string consoleSocket, Action<string> say, CancellationToken cancellationToken)
    {
        using var console = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await console.ConnectAsync(new UnixDomainSocketEndPoint(consoleSocket), cancellationToken);
        say($"guest$ wget -qO- {Url}/local-hostname");
        say("  " + await FetchAsync(console, "before", cancellationToken));
        _store.Merge("demo", "{\"hostname\":\"after.example.org\"}"u8);
        say("host: hostname changed; guest asks again");
        say("  " + await FetchAsync(console, "after", cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _store.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task<string> FetchAsync(Socket console, string expected, CancellationToken cancellationToken)
    {
        // Brackets by their numbers: the terminal may show what is typed, too.
        await console.SendAsync(Encoding.ASCII.GetBytes($"printf '\\133%s\\135\\n' \"$(wget -qO- {Url}/local-hostname)\"\n"), cancellationToken);
        var seen = new StringBuilder();
        var buffer = new byte[1024];
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        soon.CancelAfter(TimeSpan.FromSeconds(30));
        while (!seen.ToString().Contains(']', StringComparison.Ordinal))
        {
            var count = await console.ReceiveAsync(buffer, soon.Token);
            seen.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }

        var answer = SafeText.Escape(seen.ToString().Split('[')[^1].Split(']')[0]);
        return answer.StartsWith(expected, StringComparison.Ordinal) ? answer
            : throw new InvalidOperationException($"the guest's metadata says '{answer}' where '{expected}...' was set");
    }
}
