using System.Collections.Concurrent;
using System.Reflection;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Policy;
using ChannelSdk.Protocol.Errors;
using Google.Protobuf;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>The host's record against the one list of methods that both sides register by. (The agent's tests have the other record.)</summary>
public class PrivilegedCallTests
{
    /// <summary>What changes a guest.</summary>
    private static readonly string[] s_privileged =
    [
        "exec.Run", "exec.Signal", "files.Write", "freeze.Freeze", "freeze.Renew", "freeze.Thaw", "install.Data", "install.Overlay", "install.Pipe", "install.Run",
        "power.Request", "snapshot.Complete", "snapshot.Prepare", "snapshot.Renew", "storage.Trim", "time.Set",
    ];

    [Fact]
    public async Task The_hosts_record_has_each_privileged_method_that_it_calls_and_no_other()
    {
        var records = new ConcurrentQueue<AuditRecord>();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", "unix:///nonexistent/x", new InstanceOptions { Audit = records.Enqueue });
        foreach (var method in ServiceMethods.All)
        {
            var call = method.GetType().GetGenericTypeDefinition() == typeof(RpcMethod<,>) ? nameof(CallAsync) : nameof(OpenAsync);
            await (Task)typeof(PrivilegedCallTests).GetMethod(call, BindingFlags.NonPublic | BindingFlags.Static)!
                .MakeGenericMethod(method.GetType().GetGenericArguments()).Invoke(null, [instance, method])!;
        }

        Assert.All(records, r => Assert.Equal((CallDirection.ToGuest, null), (r.Direction, r.Refusal)));
        Assert.Equal(s_privileged, records.Select(r => r.Method).Order(StringComparer.Ordinal));
    }

    private static async Task CallAsync<TRequest, TReply>(Instance instance, RpcMethod<TRequest, TReply> method)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new() =>
        await Assert.ThrowsAsync<ChannelException>(async () => await instance.Channel.CallAsync(method, new TRequest(), new CallOptions(TimeSpan.FromMilliseconds(1))));

    private static async Task OpenAsync<TRequest>(Instance instance, StreamMethod<TRequest> method)
        where TRequest : class, IMessage<TRequest>, new() =>
        await Assert.ThrowsAsync<ChannelException>(async () => await instance.Channel.OpenStreamAsync(method, new TRequest(), new CallOptions(TimeSpan.FromMilliseconds(1))));
}
