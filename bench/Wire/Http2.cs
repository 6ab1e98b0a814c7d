using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace ChannelSdk.Bench.Wire;

/// <summary>Kestrel and HttpClient, HTTP/2 without TLS: what gRPC would stand on.</summary>
internal sealed class Http2() : Contender("Kestrel h2c")
{
    private HttpClient _client = null!;

    public override async Task ServeAsync(string socket)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.Limits.MaxRequestBodySize = null;
            // As much credit as our session gives.
            options.Limits.Http2.InitialStreamWindowSize = 1 << 20;
            options.Limits.Http2.InitialConnectionWindowSize = 16 << 20;
            options.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2);
        });
        var app = builder.Build();
        app.MapPost("/echo", async context => await context.Request.Body.CopyToAsync(context.Response.Body));
        app.MapPost("/sink", async context =>
        {
            var buffer = new byte[65536];
            while (await context.Request.Body.ReadAsync(buffer) > 0)
            {
            }
        });
        await app.RunAsync();
    }

    public override Task ConnectAsync(string socket)
    {
        _client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), token);
                return new NetworkStream(connection, ownsSocket: true);
            },
        })
        {
            BaseAddress = new Uri("http://localhost"),
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        return Task.CompletedTask;
    }

    public override Task<double[]> CallsAsync(int count)
    {
        var payload = new byte[64];
        return TimeAsync(count, async () =>
        {
            using var response = await _client.PostAsync("/echo", new ByteArrayContent(payload));
            await response.Content.ReadAsByteArrayAsync();
        });
    }

    public override async Task<double> StreamAsync(int messageSize, long bytes)
    {
        var start = Stopwatch.GetTimestamp();
        using var response = await _client.PostAsync("/sink", new Messages(messageSize, bytes));
        response.EnsureSuccessStatusCode();
        return bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public override ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    private sealed class Messages(int size, long bytes) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            var message = new byte[size];
            for (long sent = 0; sent < bytes; sent += size)
            {
                await stream.WriteAsync(message);
                // A message that waits in a buffer is not a message sent.
                await stream.FlushAsync();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
