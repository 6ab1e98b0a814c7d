using System.Net.Sockets;
using System.Text.Json;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Host.Json;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>What a process that should be QEMU says on its QMP socket: objects, or an error that is typed.</summary>
internal sealed class QmpTarget : IFuzzTarget
{
    private Socket? _ours;
    private Socket? _theirs;

    public string Name => "qmp";

    public int MaxLength => 8192;

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        [.. "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0}}, \"capabilities\": []}}\n{\"return\": {}, \"id\": 1}\n"u8],
        [.. "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\r\n{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\\u0041\"}, \"id\": 2}\n"u8],
    ];

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        [.. "{\"QMP\":"u8], [.. "{\"return\":"u8], [.. "{\"event\":\""u8], [.. "\"data\":{"u8], [.. "\"id\":"u8], [.. "}\n"u8], [.. "\n"u8], [.. "[[[[[[[["u8], [.. "\\ud800"u8], [.. "1e999"u8], [.. "null"u8],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        if (_ours is null)
        {
            (_ours, _theirs) = Pair();
        }

        _theirs!.Send(input);
        _theirs.Send("\n{\"end\":true}\n"u8);
        var reader = new QmpReader(_ours);
        try
        {
            JsonElement said;
            do
            {
                said = reader.ReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
                BrokenPromiseException.ThrowUnless(said.ValueKind == JsonValueKind.Object, "what is no object was taken");
                UntrustedJson.Text(said, "event");
                UntrustedJson.Number(said, "id");
                _ = UntrustedJson.Member(said, "return");
            }
            while (!UntrustedJson.IsTrue(said, "end"));
        }
        catch (ChannelException e)
        {
            BrokenPromiseException.ThrowUnless(e.Code == ChannelError.TransportFailed && !e.Message.Any(char.IsControl), $"an error that cannot be: {e.Code} {e.Message}");
        }

        Span<byte> rest = stackalloc byte[4096];
        while (_ours.Available > 0)
        {
            _ours.Receive(rest);
        }
    }

    private static (Socket, Socket) Pair()
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-qmp-");
        try
        {
            var place = new UnixDomainSocketEndPoint(Path.Combine(folder.FullName, "s"));
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(place);
            listener.Listen();
            var theirs = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            theirs.Connect(place);
            return (listener.Accept(), theirs);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
