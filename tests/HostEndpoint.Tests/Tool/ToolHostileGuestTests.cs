using System.Reflection;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Every command against a guest whose answers have each field missing, zero, huge and hostile.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class ToolHostileGuestTests : IAsyncDisposable
{
    private static readonly TimeSpan s_stop = TimeSpan.FromSeconds(5);
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-test-").FullName;
    private readonly Channel _guest;
    private Func<MessageDescriptor, IMessage> _reply = type => type.Parser.ParseFrom(ByteString.Empty);
    private byte[][] _messages = [];

    public ToolHostileGuestTests()
    {
        var services = new ServiceRegistry();
        foreach (var method in ServiceMethods.All)
        {
            var type = method.GetType();
            var name = type.GetGenericTypeDefinition() == typeof(RpcMethod<,>) ? nameof(AddUnary) : nameof(AddStream);
            typeof(ToolHostileGuestTests).GetMethod(name, BindingFlags.NonPublic | BindingFlags.Instance)!
                .MakeGenericMethod(type.GetGenericArguments()).Invoke(this, [services, method]);
        }

        _guest = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{_folder}/guest.sock"), services);
        _guest.SetState(StateWord.Ready);
        _guest.Start();
    }

    private string Uri => $"unix://{_folder}/guest.sock";

    [Theory]
    [InlineData(typeof(GuestInfo), "info URI")]
    [InlineData(typeof(GuestInfo), "info URI --json")]
    [InlineData(typeof(PingReply), "ping URI --count 2")]
    [InlineData(typeof(TimeReply), "clock URI --set")]
    [InlineData(typeof(FreezeReport), "freeze URI --lease 5")]
    [InlineData(typeof(FreezeReport), "freeze URI --lease 5 --hold")]
    [InlineData(typeof(FreezeReport), "freeze URI --lease 5 --renew")]
    [InlineData(typeof(FreezeReport), "thaw URI")]
    [InlineData(typeof(PowerReply), "shutdown URI")]
    [InlineData(typeof(PowerReply), "reboot URI --force")]
    [InlineData(typeof(PowerReply), "suspend URI")]
    [InlineData(typeof(TrimReply), "trim URI")]
    [InlineData(typeof(FileStat), "cp URI FILE guest:/x")]
    public async Task An_answer_with_any_field_missing_or_extreme_gets_a_clear_text_and_a_documented_code(Type reply, string line)
    {
        var complaints = new List<string?>();
        foreach (var (what, message) in HostileReplies.Of(Descriptor(reply)))
        {
            _reply = type => type == message.Descriptor ? message : type.Parser.ParseFrom(ByteString.Empty);
            complaints.Add(ToolRun.Complaint(await RunAsync(line), $"{line}, {what}"));
        }

        Assert.Equal([], complaints.OfType<string>());
    }

    [Theory]
    [InlineData(typeof(ExecStarted), 3, "exec URI -- x")]
    [InlineData(typeof(ExecExited), 4, "exec URI -- x")]
    [InlineData(typeof(FileStat), -1, "cp URI guest:/x COPY --overwrite")]
    [InlineData(typeof(FileStat), -1, "cp URI guest:/x COPY --overwrite --preserve")]
    [InlineData(typeof(SinkReport), -1, "send URI --bytes 10")]
    [InlineData(typeof(SinkReport), -1, "receive URI --bytes 10")]
    [InlineData(typeof(SinkReport), -1, "cp URI FILE guest:/x")]
    public async Task A_stream_with_any_message_gets_a_clear_text_and_a_documented_code(Type first, int kind, string line)
    {
        var complaints = new List<string?>();
        byte[] started = [3, .. new ExecStarted { Run = 1, Pid = 2 }.ToByteArray()];
        IEnumerable<(string What, byte[] Bytes)> garbage =
        [
            ("nothing", []), ("a zero", [0]), ("bytes", [255, 254, 253, 1, 2, 3]), ("zeros", new byte[30_000]), ("a length", [4, 255, 255, 255, 255, 15]),
        ];
        foreach (var (what, bytes) in HostileReplies.Of(Descriptor(first)).Select(v => (v.What, v.Message.ToByteArray())).Concat(garbage))
        {
            var message = kind < 0 ? bytes : [(byte)kind, .. bytes];
            _messages = kind == 4 ? [started, message] : [message, bytes];
            var run = await RunAsync(line);
            // A program's exit code is what its guest says, any number.
            complaints.Add(kind == 4 && run.Error.Length == 0 ? null : ToolRun.Complaint(run, $"{line}, {what}"));
        }

        Assert.Equal([], complaints.OfType<string>());
    }

    public async ValueTask DisposeAsync()
    {
        await _guest.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<(int Code, string Out, string Error)> RunAsync(string line)
    {
        var file = Path.Combine(_folder, "file");
        await File.WriteAllTextAsync(file, "content");
        return await ToolRun.RunAsync(s_stop, [.. line.Split(' ').Select(word => word switch { "URI" => Uri, "FILE" => file, "COPY" => Path.Combine(_folder, "copy"), _ => word })]);
    }

    private static MessageDescriptor Descriptor(Type type) => (MessageDescriptor)type.GetProperty("Descriptor", BindingFlags.Static | BindingFlags.Public)!.GetValue(null)!;

    private void AddUnary<TRequest, TReply>(ServiceRegistry services, RpcMethod<TRequest, TReply> method)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new() =>
        services.Unary(method, (_, _) => ValueTask.FromResult((TReply)_reply(new TReply().Descriptor)));

    private void AddStream<TRequest>(ServiceRegistry services, StreamMethod<TRequest> method)
        where TRequest : class, IMessage<TRequest>, new() =>
        services.Stream(method, async (_, stream, context) =>
        {
            foreach (var message in _messages)
            {
                await stream.WriteAsync(message, context.CancellationToken);
            }
        });
}
