using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using ChannelSdk.Services.Files;
using ChannelSdk.Services.Measure;
using ChannelSdk.Services.Storage;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>A guest that keeps its link, begins with what it is asked, and says nothing more.</summary>
internal sealed class SilentGuest : IAsyncDisposable
{
    private const int Part = 1000;
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-test-").FullName;
    private readonly Channel _channel;

    /// <summary>Starts it.</summary>
    /// <param name="begun">Told of each call that it has begun with.</param>
    /// <param name="pace">It goes on with what it is measured by, a part of 1000 bytes each so often; null: it says nothing more.</param>
    public SilentGuest(Action? begun = null, TimeSpan? pace = null)
    {
        var services = new ServiceRegistry();
        var part = new byte[Part];
        services.Unary(FilesMethods.Stat, static (_, _) => throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, "there is no such file"));
        services.Unary(StorageMethods.Trim, async (_, context) =>
        {
            begun?.Invoke();
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return new TrimReply();
        });
        Serve(MeasureMethods.Sink, []);
        services.Stream(MeasureMethods.Source, async (request, stream, context) =>
        {
            for (ulong sent = 0; sent < request.Bytes; sent += Part)
            {
                MeasurePattern.Fill(part, sent);
                await stream.WriteAsync(part, context.CancellationToken);
                begun?.Invoke();
                await Task.Delay(pace ?? Timeout.InfiniteTimeSpan, context.CancellationToken);
            }
        });
        Serve(FilesMethods.Write, new FileWriteReady().ToByteArray());
        Serve(FilesMethods.Read, new FileStat { Kind = FileKind.Regular, Size = 1 << 20 }.ToByteArray());
        Serve(ExecMethods.Run, [(byte)ExecMessage.Started, .. new ExecStarted { Run = 1, Pid = 2 }.ToByteArray()]);
        _channel = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{_folder}/guest.sock"), services);
        _channel.SetState(StateWord.Ready);
        _channel.Start();

        void Serve<TRequest>(StreamMethod<TRequest> method, byte[] first)
            where TRequest : class, IMessage<TRequest>, new() =>
            services.Stream(method, async (_, stream, context) =>
            {
                if (first.Length > 0)
                {
                    await stream.WriteAsync(first, context.CancellationToken);
                }

                begun?.Invoke();
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
            });
    }

    public string Uri => $"unix://{_folder}/guest.sock";

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
