using System.Net;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.Store;

namespace ChannelSdk.Metadata.Tests;

/// <summary>A server with one instance, vm1, on a Unix socket and on loopback.</summary>
internal sealed class ServerRig : IAsyncDisposable
{
    public static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);
    private readonly TestFolder _folder = new();

    private ServerRig()
    {
    }

    public FolderMetadataStore Store { get; private set; } = null!;

    public MetadataServer Server { get; private set; } = null!;

    public MetadataInstance Vm1 { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public IPEndPoint Loopback { get; private set; } = null!;

    public string SocketPath => _folder["vm1.sock"];

    public string this[string name] => _folder[name];

    public static async Task<ServerRig> StartAsync(string? document = Samples.Full, MetadataServerOptions? options = null)
    {
        var rig = new ServerRig();
        rig.Store = new FolderMetadataStore(rig._folder["store"]);
        if (document is not null)
        {
            rig.Store.Put("vm1", Samples.Parse(document));
        }

        rig.Server = await MetadataServer.StartAsync(rig.Store, options);
        rig.Vm1 = rig.Server.AttachInstance("vm1");
        rig.Vm1.ListenUnix(rig.SocketPath);
        rig.Loopback = Listen(rig.Vm1);
        rig.Http = ClientOf(rig.SocketPath);
        return rig;
    }

    private static IPEndPoint Listen(MetadataInstance instance)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var bound = (IPEndPoint)socket.LocalEndPoint!;
        instance.AddListener(socket);
        return bound;
    }

    public static HttpClient ClientOf(string socketPath) => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectCallback = async (_, token) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), token);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        BaseAddress = new Uri("http://169.254.169.254/"),
        Timeout = Soon,
    };

    public Task<string> GetAsync(string path) => Http.GetStringAsync(new Uri("http://169.254.169.254" + path));

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri("http://169.254.169.254" + path)) { Content = content };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await Http.SendAsync(request);
    }

    public async Task<string> TokenAsync()
    {
        using var answer = await SendAsync(HttpMethod.Put, "/latest/api/token", null, ("X-aws-ec2-metadata-token-ttl-seconds", "60"));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadAsStringAsync();
    }

    /// <summary>Sends bytes on its own connection and returns all that comes until the server closes it.</summary>
    public async Task<string> RawAsync(byte[] bytes, bool endsSending = false)
    {
        using var limit = new CancellationTokenSource(Soon);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(Loopback, limit.Token);
        var answer = new MemoryStream();
        try
        {
            await socket.SendAsync(bytes, limit.Token);
            if (endsSending)
            {
                socket.Shutdown(SocketShutdown.Send);
            }

            var buffer = new byte[65536];
            while (await socket.ReceiveAsync(buffer, limit.Token) is > 0 and var length)
            {
                answer.Write(buffer, 0, length);
            }
        }
        catch (SocketException)
        {
            // A reset is an end as well.
        }

        return Encoding.Latin1.GetString(answer.ToArray());
    }

    public Task<string> RawAsync(string text) => RawAsync(Encoding.Latin1.GetBytes(text));

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
        Store.Dispose();
        _folder.Dispose();
    }
}
