using System.Reflection;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>The agent's record against the one list of methods that both sides register by.</summary>
public class PrivilegedCallTests
{
    [Fact]
    public async Task The_agents_record_has_each_privileged_method_that_its_host_calls_and_no_other()
    {
        await using var rig = new AgentRig();
        await rig.Instance.WaitReadyAsync(rig.Soon);
        List<string> privileged = [], others = [];
        foreach (var method in ServiceMethods.All)
        {
            var type = method.GetType();
            (method.IsPrivileged ? privileged : others).Add(method.Name);
            var call = type.GetGenericTypeDefinition() == typeof(RpcMethod<,>) ? nameof(CallAsync) : nameof(OpenAsync);
            await (Task)typeof(PrivilegedCallTests).GetMethod(call, BindingFlags.NonPublic | BindingFlags.Static)!
                .MakeGenericMethod(type.GetGenericArguments()).Invoke(null, [rig, method])!;
        }

        Assert.NotEmpty(others);
        string[] lines = [.. rig.Lines];
        string[] noted = [.. privileged.Concat(others).Where(name => lines.Any(line =>
            line.Contains($"allowed {name}", StringComparison.Ordinal) || line.Contains($"refused {name}", StringComparison.Ordinal)))];
        Assert.Equal(privileged.Order(), noted.Order());
    }

    private static async Task CallAsync<TRequest, TReply>(AgentRig rig, RpcMethod<TRequest, TReply> method)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new()
    {
        try
        {
            await rig.Instance.Channel.CallAsync(method, new TRequest(), new CallOptions(TimeSpan.FromSeconds(30)), rig.Soon);
        }
        catch (ChannelException)
        {
            // An empty request of most methods is refused; that it came is what counts.
        }
    }

    private static async Task OpenAsync<TRequest>(AgentRig rig, StreamMethod<TRequest> method)
        where TRequest : class, IMessage<TRequest>, new()
    {
        try
        {
            await using var stream = await rig.Instance.Channel.OpenStreamAsync(method, new TRequest(), new CallOptions(TimeSpan.FromSeconds(30)), rig.Soon);
            await stream.CompleteAsync(rig.Soon);
            using var message = await stream.ReadAsync(rig.Soon);
        }
        catch (ChannelException)
        {
            // See above.
        }
    }
}
