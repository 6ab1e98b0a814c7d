using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.Host.Exec;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Requests to run a program, and their failures.</summary>
internal static class ExecCalls
{
    internal static ExecOptions Shell(string script) => new() { Command = ["/bin/sh", "-c", script] };

    internal static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);

    /// <summary>What a host asks that is not held to the bounds of its library.</summary>
    internal static ExecRequest Request(params string[] command)
    {
        var request = new ExecRequest();
        request.Argv.AddRange(command.Select(ByteString.CopyFromUtf8));
        return request;
    }

    internal static async Task<ChannelException> FailAsync(AgentRig rig, ExecRequest request)
    {
        await using var stream = await rig.Instance.Channel.OpenStreamAsync(ExecMethods.Run, request, default, rig.Soon);
        return await Assert.ThrowsAsync<ChannelException>(async () => (await stream.ReadAsync(rig.Soon)).Dispose());
    }

    internal static async Task<ChannelException> FailAsync(AgentRig rig, ExecOptions options) =>
        await Assert.ThrowsAsync<ChannelException>(() => rig.Instance.Exec.StartAsync(options, rig.Soon));
}
