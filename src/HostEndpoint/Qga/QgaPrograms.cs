using System.Globalization;
using System.Text.Json;
using ChannelSdk.Channels;
using ChannelSdk.Host.Json;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using Google.Protobuf;

namespace ChannelSdk.Host.Qga;

/// <summary>
/// exec.Run by guest-exec. qemu-ga takes input only with the start, tells output only with the end, and cannot stop a
/// program: one whose caller has gone runs on.
/// </summary>
internal sealed class QgaPrograms(QgaClient client, TimeProvider time)
{
    private const int MaxPart = 32 << 10;
    private static readonly TimeSpan s_firstLook = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_longestLook = TimeSpan.FromMilliseconds(500);

    /// <summary>Runs a program and sends what it wrote once it has ended.</summary>
    public async ValueTask RunAsync(ExecRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        if (!request.WorkingFolder.IsEmpty && request.WorkingFolder.ToStringUtf8() != "/")
        {
            throw QgaErrors.Unavailable("begin a program in a folder");
        }

        var started = await client.CallAsync("guest-exec", Arguments(request), null, cancellationToken).ConfigureAwait(false);
        var pid = UntrustedJson.Number(started, "pid") is > 0 and var number ? number : throw Wrong("the guest's answer to guest-exec has no pid");
        await stream.WriteAsync(Message(ExecMessage.Started, new ExecStarted { Pid = (uint)pid }), cancellationToken).ConfigureAwait(false);
        var input = RefuseInputAsync(stream, cancellationToken);
        var end = await WaitAsync(pid, input, cancellationToken).ConfigureAwait(false);
        await SendAsync(stream, ExecMessage.Output, end, "out-data", cancellationToken).ConfigureAwait(false);
        await SendAsync(stream, ExecMessage.Error, end, "err-data", cancellationToken).ConfigureAwait(false);
        if (UntrustedJson.IsTrue(end, "out-truncated") || UntrustedJson.IsTrue(end, "err-truncated"))
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.MayHaveRun, "the program ended, and qemu-ga kept only the beginning of what it wrote");
        }

        var signal = UntrustedJson.Number(end, "signal") ?? 0;
        var exited = new ExecExited { Code = (uint)(UntrustedJson.Number(end, "exitcode") ?? 0), Signal = (uint)signal };
        await stream.WriteAsync(Message(ExecMessage.Exited, exited), cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<JsonElement> WaitAsync(long pid, Task input, CancellationToken cancellationToken)
    {
        var arguments = string.Create(CultureInfo.InvariantCulture, $"{{\"pid\":{pid}}}");
        for (var wait = s_firstLook; ; wait = wait * 2 < s_longestLook ? wait * 2 : s_longestLook)
        {
            var status = await client.CallAsync("guest-exec-status", arguments, null, cancellationToken).ConfigureAwait(false);
            if (UntrustedJson.IsTrue(status, "exited"))
            {
                return status;
            }

            if (input.IsFaulted)
            {
                await input.ConfigureAwait(false);
            }

            await Task.Delay(wait, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Ends with the input's end; input that has bytes is an error, since it comes too late.</summary>
    private static async Task RefuseInputAsync(ChannelStream stream, CancellationToken cancellationToken)
    {
        using var message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
        if (!message.IsEnd && message.Span.Length > 1)
        {
            throw QgaErrors.Unavailable("give a running program input; it was started, and may run on");
        }
    }

    private static async ValueTask SendAsync(ChannelStream stream, ExecMessage kind, JsonElement end, string name, CancellationToken cancellationToken)
    {
        if (UntrustedJson.Member(end, name) is null)
        {
            return;
        }

        var bytes = UntrustedJson.Bytes(end, name) ?? throw Wrong($"the guest's {name} is no base64");
        for (var at = 0; at < bytes.Length; at += MaxPart)
        {
            byte[] part = [(byte)kind, .. bytes.AsSpan(at, Math.Min(MaxPart, bytes.Length - at))];
            await stream.WriteAsync(part, cancellationToken).ConfigureAwait(false);
        }
    }

    private static string Arguments(ExecRequest request)
    {
        if (request.Argv.Count == 0)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, "a command begins with a program");
        }

        var environment = request.Environment.Count == 0 ? "" : $",\"env\":[{List(request.Environment)}]";
        return $"{{\"path\":\"{Encode(request.Argv[0])}\",\"arg\":[{List(request.Argv.Skip(1))}]{environment},\"capture-output\":true}}";
    }

    private static string List(IEnumerable<ByteString> texts) => string.Join(',', texts.Select(static text => $"\"{Encode(text)}\""));

    private static string Encode(ByteString text) => JsonEncodedText.Encode(text.ToStringUtf8()).ToString();

    private static byte[] Message(ExecMessage kind, IMessage content) => [(byte)kind, .. content.ToByteArray()];

    private static ChannelException Wrong(string text) => new(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, text);
}
