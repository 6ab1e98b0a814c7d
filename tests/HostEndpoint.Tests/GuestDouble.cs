using ChannelSdk.Channels;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Freeze;
using ChannelSdk.Services.Info;
using ChannelSdk.Services.Measure;
using ChannelSdk.Services.Power;
using ChannelSdk.Services.Storage;
using ChannelSdk.Services.Time;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>A guest in this process, behind a Unix socket: the agent's methods without a machine behind them.</summary>
internal sealed class GuestDouble : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-test-").FullName;

    /// <summary>Starts it.</summary>
    /// <param name="extend">Adds methods of a test's own.</param>
    /// <param name="socket">Where it listens: the socket of one that has gone, as a guest that comes back does; null for a new one.</param>
    public GuestDouble(Action<ServiceRegistry>? extend = null, string? socket = null)
    {
        Socket = socket ?? Path.Combine(_folder, "guest.sock");
        var services = new ServiceRegistry();
        extend?.Invoke(services);
        services.Unary(InfoMethods.Ping, static (request, _) => ValueTask.FromResult(new PingReply { Payload = request.Payload }));
        services.Unary(InfoMethods.Get, (_, _) => ValueTask.FromResult(Info));
        services.Unary(PowerMethods.Request, Power);
        services.Unary(FreezeMethods.Freeze, (request, _) => ValueTask.FromResult(Freeze(request)));
        services.Unary(FreezeMethods.Thaw, (request, _) => ValueTask.FromResult(Thaw(request)));
        services.Unary(TimeMethods.Get, (_, _) => ValueTask.FromResult(new TimeReply { UnixNs = GuestTime }));
        services.Unary(TimeMethods.Set, (request, _) =>
        {
            var moved = request.UnixNs - GuestTime;
            ClockOffset += TimeSpan.FromTicks(moved / 100);
            return ValueTask.FromResult(new TimeReply { UnixNs = GuestTime, MovedNs = moved });
        });
        services.Unary(StorageMethods.Trim, static (request, _) => ValueTask.FromResult(
            new TrimReply { Mounts = { new TrimResult { Mount = request.Mounts[0], TrimmedBytes = 4096 } } }));
        services.Stream(MeasureMethods.Sink, static async (_, stream, context) =>
        {
            var report = new SinkReport();
            var sum = MeasureChecksum.Start;
            while (true)
            {
                using var message = await stream.ReadAsync(context.CancellationToken);
                if (message.IsEnd)
                {
                    break;
                }

                report.Bytes += (ulong)message.Memory.Length;
                sum = MeasureChecksum.Append(sum, message.Span);
            }

            report.Crc32C = MeasureChecksum.Finish(sum);
            var bytes = new byte[report.CalculateSize()];
            Google.Protobuf.MessageExtensions.WriteTo(report, bytes.AsSpan());
            await stream.WriteAsync(bytes, context.CancellationToken);
        });
        services.Stream(MeasureMethods.Source, async (request, stream, context) =>
        {
            var chunk = new byte[65536];
            for (ulong sent = 0; sent < request.Bytes;)
            {
                var part = chunk.AsMemory(0, (int)Math.Min(65536, request.Bytes - sent));
                MeasurePattern.Fill(part.Span, sent + (Lies ? 8UL : 0));
                await stream.WriteAsync(part, context.CancellationToken);
                sent += (ulong)part.Length;
            }
        });
        Channel = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{Socket}"), services);
        Channel.SetState(StateWord.Ready);
        Channel.Start();
    }

    public string Socket { get; }
    public string Uri => $"unix://{Socket}";
    public Channel Channel { get; }
    public bool Lies { get; set; }
    public ChannelException? PowerRefusal { get; set; }

    public GuestInfo Info { get; } = new()
    {
        HostName = "evil\u001b[2Jname",
        Os = new OsInfo { PrettyName = "Double" },
        Kernel = new KernelInfo { Name = "Linux", Release = "0", Architecture = "x86_64" },
        Memory = new MemoryInfo(),
        Load = new LoadInfo(),
        Agent = new AgentInfo { Version = "0" },
    };

    public TimeSpan ClockOffset { get; set; }
    private long GuestTime => (DateTimeOffset.UtcNow + ClockOffset - DateTimeOffset.UnixEpoch).Ticks * 100;
    public string FreezeFailure { get; set; } = "";
    public FreezeRequest? Frozen { get; private set; }

    private FreezeReport Freeze(FreezeRequest request)
    {
        Frozen = FreezeFailure.Length == 0 ? request : null;
        return new FreezeReport
        {
            State = Frozen is null ? FreezeState.Thawed : FreezeState.Frozen,
            LeftMs = request.LeaseMs,
            Failure = FreezeFailure,
            Mounts = { new MountResult { Mount = "/da\u001b[2Jta", Type = "xfs", Outcome = Frozen is null ? MountOutcome.Failed : MountOutcome.Frozen } },
        };
    }

    private FreezeReport Thaw(ThawRequest request)
    {
        if (Frozen is null && !request.Force)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, "nothing is frozen any more: the lease of 1 s ended");
        }

        Frozen = null;
        return new FreezeReport { State = FreezeState.Thawed, LastEnd = "the host thawed it" };
    }

    private ValueTask<PowerReply> Power(PowerCommand command, CallContext context)
    {
        if (PowerRefusal is not null)
        {
            throw PowerRefusal;
        }

        Channel.SetState(StateWord.Stopping);
        _ = Task.Run(async () =>
        {
            // The answer goes first, as the agent does it.
            await Task.Delay(50, CancellationToken.None);
            await Channel.DisposeAsync();
        }, CancellationToken.None);
        return ValueTask.FromResult(new PowerReply { Accepted = true, How = $"{command.Action}: {command.Reason}{(command.Force ? " (forced)" : "")}" });
    }

    public async ValueTask DisposeAsync()
    {
        await Channel.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
