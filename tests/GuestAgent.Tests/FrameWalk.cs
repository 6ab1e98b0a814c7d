using System.Collections.Concurrent;
using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Info;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Calls an agent's services over a Unix socket and notes which of the SDK's files are on the stack.</summary>
internal static class FrameWalk
{
    private const int MostCalls = 20;

    // Called in a separate load context, so it returns types of the runtime.
    private static readonly ConcurrentQueue<string[]> s_stacks = new();

    /// <summary>The files of three stacks, outermost first: where a request is decoded, where the policy is asked, and where the handler of a ping works.</summary>
    public static async Task<string[][]> RunAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var folder = Directory.CreateTempSubdirectory("walk-");
        try
        {
            var socket = $"{folder.FullName}/s.sock";
            var decoded = new RpcMethod<Probe, Empty>("walk.Decode", StreamClass.Rpc);
            var services = new ServiceRegistry();
            var gate = Register(services, decoded);
            await using var host = new Channel(PeerRole.Host, TransportEndpoints.Create($"unix-listen://{socket}"), new ServiceRegistry());
            await using var guest = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix://{socket}"), services, ChannelOptions.ForGuest with { Guard = gate });
            host.Start();
            guest.Start();
            await host.WaitReadyAsync(limit.Token);
            return
            [
                (await FromTheReactorAsync(async () => await host.CallAsync(decoded, new Probe(), cancellationToken: limit.Token)))[0],
                .. await FromTheReactorAsync(async () => await host.CallAsync(InfoMethods.Ping, new PingRequest(), cancellationToken: limit.Token)),
            ];
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static ServiceGate Register(ServiceRegistry services, RpcMethod<Probe, Empty> decoded)
    {
        var log = new AgentLog(static _ => { }, TimeProvider.System, withTime: false);
        var policy = new AgentPolicy(new PolicyRules(), new AuditLog(log));
        var gate = new ServiceGate(services, policy, NotingPermission);
        gate.Unary(decoded, static (_, _) => ValueTask.FromResult(new Empty()));
        new InfoService(new GuestFacts("1.2.3", 1, TimeProvider.System, new FileSystemFacts(FileSystemFigures.Of)), () => gate.Allowed, () => policy.Current, new NotingClock()).Register(gate);
        return gate;
    }

    /// <summary>A frame that came before the channel waited for it is read by another thread than the reactor's: such calls do not count.</summary>
    private static async Task<string[][]> FromTheReactorAsync(Func<Task> call)
    {
        string[][] last = [];
        for (var i = 0; i < MostCalls; i++)
        {
            s_stacks.Clear();
            await call();
            last = [.. s_stacks];
            if (last.All(static stack => stack[0].EndsWith("/IoReactor.cs", StringComparison.Ordinal)))
            {
                return last;
            }
        }

        throw new InvalidOperationException($"none of {MostCalls} calls came from the reactor, but through {string.Join(", ", last.SelectMany(static stack => stack))}");
    }

    private static string? NotingPermission(string permission)
    {
        Note();
        return null;
    }

    private static void Note()
    {
        List<string> files = [];
        foreach (var frame in new StackTrace(fNeedFileInfo: true).GetFrames().Reverse())
        {
            if (Own(frame.GetFileName()) is { } file && (files.Count == 0 || files[^1] != file))
            {
                files.Add(file);
            }
        }

        s_stacks.Enqueue([.. files]);
    }

    /// <summary>A file of the SDK by its place in the tree, wherever that was built.</summary>
    private static string? Own(string? file)
    {
        var at = Math.Max(file?.LastIndexOf("/src/", StringComparison.Ordinal) ?? -1, file?.LastIndexOf("/protocol/", StringComparison.Ordinal) ?? -1);
        return at < 0 || file!.Contains("/tests/", StringComparison.Ordinal) ? null : file[(at + 1)..];
    }

    /// <summary>A ping's answer has the time in it.</summary>
    private sealed class NotingClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow()
        {
            Note();
            return base.GetUtcNow();
        }
    }

    /// <summary>An empty request that notes how it is decoded.</summary>
    private sealed class Probe : IMessage<Probe>, IBufferMessage
    {
        public MessageDescriptor Descriptor => Empty.Descriptor;

        public int CalculateSize() => 0;

        public void WriteTo(CodedOutputStream output)
        {
        }

        public void InternalWriteTo(ref WriteContext output)
        {
        }

        public void MergeFrom(Probe message)
        {
        }

        public void MergeFrom(CodedInputStream input) => Note();

        public void InternalMergeFrom(ref ParseContext input) => Note();

        public bool Equals(Probe? other) => other is not null;

        public override bool Equals(object? obj) => Equals(obj as Probe);

        public override int GetHashCode() => 0;

        public Probe Clone() => new();
    }
}
