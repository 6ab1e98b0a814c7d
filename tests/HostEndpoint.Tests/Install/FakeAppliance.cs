using ChannelSdk.Channels;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>What the half in a fake appliance sees.</summary>
internal sealed record FakeScript(InstallRunRequest Request, IReadOnlyList<InstallScript> Scripts, ScriptCoordinator Coordinator, InstallStream Stream, CancellationToken Ended);

/// <summary>
/// An appliance in this process: a guest's channel that serves install.Run as the agent does, with the shared code, and whose
/// half is the test's.
/// </summary>
internal sealed class FakeAppliance(Func<FakeScript, Task<ScriptEnded>> script) : IInstanceLauncher
{
    private int _launches;

    public LaunchRequest? Request { get; private set; }
    public int Launches => _launches;
    public Running? Last { get; private set; }
    public bool NeverAnswers { get; init; }
    public bool DiesAtOnce { get; init; }
    public bool CannotBeKilled { get; init; }
    public LaunchDiagnosis Diagnosis { get; set; } = LaunchDiagnosis.Unknown;
    public bool AttachesMedia { get; init; } = true;
    public byte[] Overlay { get; private set; } = [];

    /// <summary>What is on the read-only disks of the last launch.</summary>
    public IReadOnlyList<byte[]> Media { get; private set; } = [];
    public ChannelException? OverlayRefusal { get; init; }

    /// <summary>Serves install.Pipe.</summary>
    public Func<PipeRequest, ChannelStream, CancellationToken, Task>? Pipe { get; init; }

    /// <summary>Serves install.Data, with the stream of the operation.</summary>
    public Func<DataRequest, ChannelStream, InstallStream, CancellationToken, Task>? Data { get; init; }

    public Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default)
    {
        Request = request;
        Interlocked.Increment(ref _launches);
        Last = new Running(this, request);
        return Task.FromResult<ILaunchedInstance>(Last);
    }

    internal sealed class Running : ILaunchedInstance
    {
        private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Channel? _channel;
        private readonly FakeAppliance _owner;
        private readonly TaskCompletionSource<InstallStream> _run = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Running(FakeAppliance owner, LaunchRequest request)
        {
            _owner = owner;
            var socket = Path.Combine(request.Folder, "channel.sock");
            Endpoint = TransportEndpoints.Create($"unix://{socket}");
            DiskDevices = [.. request.Disks.Select((_, i) => $"/dev/vd{(char)('a' + i)}")];
            MediaDevices = owner.AttachesMedia ? [.. request.Media.Select((_, i) => $"/dev/vd{(char)('a' + request.Disks.Count + i)}")] : [];
            owner.Media = [.. request.Media.Select(File.ReadAllBytes)];
            if (owner.DiesAtOnce)
            {
                _exited.SetResult();
            }

            if (!owner.NeverAnswers && !owner.DiesAtOnce)
            {
                var services = new ServiceRegistry();
                services.Stream(InstallMethods.Run, (run, stream, context) => RunAsync(owner, run, stream, context));
                services.Stream(InstallMethods.Overlay, (_, stream, context) => OverlayAsync(owner, stream, context));
                services.Stream(InstallMethods.Pipe, async (request, stream, context) => await owner.Pipe!(request, stream, context.CancellationToken));
                services.Stream(InstallMethods.Data, async (request, stream, context) =>
                    await owner.Data!(request, stream, await _run.Task, context.CancellationToken));
                _channel = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{socket}"), services);
                _channel.Start();
            }
        }

        public ITransportEndpoint Endpoint { get; }
        public IReadOnlyList<string> DiskDevices { get; }
        public IReadOnlyList<string> MediaDevices { get; }
        public Task Exited => _exited.Task;
        public bool IsKilled { get; private set; }

        /// <summary>As if the machine had crashed.</summary>
        public async Task DieAsync()
        {
            _exited.TrySetResult();
            if (_channel is not null)
            {
                await _channel.DisposeAsync();
            }
        }

        public async Task KillAsync(TimeSpan within)
        {
            IsKilled = true;
            if (_owner.CannotBeKilled)
            {
                throw new InvalidOperationException("the hypervisor does not answer");
            }

            await DieAsync();
        }

        public ValueTask<LaunchDiagnosis> DiagnoseAsync() => ValueTask.FromResult(_owner.Diagnosis);

        public ValueTask DisposeAsync() => new(DieAsync());

        private async ValueTask RunAsync(FakeAppliance owner, InstallRunRequest run, ChannelStream raw, CallContext context)
        {
            using var stream = new InstallStream(raw);
            var sink = new Sink(stream);
            var parameters = new ScriptParameters();
            foreach (var parameter in run.Parameters)
            {
                parameters.Add(parameter.Name, parameter.Value.ToByteArray());
            }

            var coordinator = new ScriptCoordinator(sink, parameters);
            var scripts = new List<InstallScript>();
            Task? running = null;
            while (true)
            {
                using var message = await stream.ReadAsync(context.CancellationToken);
                if (message.IsEnd)
                {
                    break;
                }

                switch ((InstallMessage)message.Span[0])
                {
                    case InstallMessage.Script:
                        scripts.Add(InstallScript.Parser.ParseFrom(message.Span[1..]));
                        break;
                    case InstallMessage.Start:
                        _run.TrySetResult(stream);
                        if (run.DataDevices.Count > 0)
                        {
                            await stream.WriteAsync(InstallMessage.DataReady, ReadOnlyMemory<byte>.Empty);
                        }

                        running = RunScriptAsync(owner, new FakeScript(run, scripts, coordinator, stream, context.CancellationToken));
                        break;
                    case var kind:
                        coordinator.OnPeer(kind, message.Span[1..]);
                        break;
                }
            }

            await running!;
        }

        private static async Task RunScriptAsync(FakeAppliance owner, FakeScript script)
        {
            var end = await owner.Script(script);
            await script.Stream.WriteAsync(InstallMessage.Ended, end);
        }

        private static async ValueTask OverlayAsync(FakeAppliance owner, ChannelStream stream, CallContext context)
        {
            using var all = new MemoryStream();
            while (true)
            {
                using var message = await stream.ReadAsync(context.CancellationToken);
                if (message.IsEnd)
                {
                    break;
                }

                all.Write(message.Span);
                if (owner.OverlayRefusal is not null)
                {
                    throw owner.OverlayRefusal;
                }
            }

            owner.Overlay = all.ToArray();
            await stream.WriteAsync(Google.Protobuf.MessageExtensions.ToByteArray(new OverlayReply { Entries = 1, Bytes = (ulong)all.Length }));
        }
    }

    private Func<FakeScript, Task<ScriptEnded>> Script => script;

    private sealed class Sink(InstallStream stream) : IScriptSink
    {
        public ValueTask SendAsync(InstallMessage kind, ReadOnlyMemory<byte> content) => stream.WriteAsync(kind, content);
        public ValueTask ProgressAsync(InstallProgress progress) => stream.WriteAsync(InstallMessage.Progress, progress);
        public ValueTask LogAsync(InstallLog line) => stream.WriteAsync(InstallMessage.Log, line);
        public ValueTask ResultAsync(ReadOnlyMemory<byte> result) => stream.WriteAsync(InstallMessage.Result, result);
    }
}
