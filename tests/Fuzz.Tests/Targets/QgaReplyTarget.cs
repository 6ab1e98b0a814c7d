using System.Text.Json;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Host.Json;
using ChannelSdk.Host.Qga;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>What a guest answers to the host's QEMU guest agent client: a line within its bound, and then an error that is typed or values that can be read.</summary>
internal sealed class QgaReplyTarget : IFuzzTarget
{
    private const int Limit = 4096;

    public string Name => "qga-reply";

    public int MaxLength => 8192;

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        [3, .. "noise\n"u8, 0xFF, .. "{\"return\": 9}\n{\"return\": {\"count\": 3, \"buf-b64\": \"AAAA\", \"eof\": true, \"list\": [1, 2]}}\n"u8],
        [255, 0xFF, .. "{\"return\": 9}\n{\"error\": {\"class\": \"GenericError\", \"desc\": \"no \\ud83d\\ude00\"}}\n"u8],
    ];

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        [.. "{\"return\":"u8], [.. "{\"error\":"u8], [.. "\"class\":"u8], [.. "\"desc\":"u8], [.. "\"CommandNotFound\""u8], [.. "\"buf-b64\":"u8], [.. "\"count\":"u8], [.. "\"list\":["u8], [.. "\"eof\":true"u8],
        [.. "\\ud800"u8], [0xFF], [.. "\n"u8], [.. "}}\n"u8], [.. "1e400"u8], [.. "9223372036854775808"u8], [.. "[[[[[[[[[[[[[[[["u8],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var reader = new QgaReplyReader();
        var piece = 1 + input[0] * 4;
        ReadOnlyMemory<byte> left = input[1..].ToArray();
        var isSynchronized = false;
        reader.AwaitSync();
        while (!left.IsEmpty)
        {
            var part = left[..Math.Min(piece, left.Length)];
            left = left[part.Length..];
            while (!part.IsEmpty)
            {
                try
                {
                    if (!reader.TryTake(ref part, out var line))
                    {
                        continue;
                    }

                    BrokenPromiseException.ThrowUnless(line.Length <= (isSynchronized ? Limit : QgaReplyReader.MaxSync), $"a line of {line.Length} bytes was taken");
                    BrokenPromiseException.ThrowUnless(line.Span.IndexOf((byte)'\n') < 0, "a line has a line end in it");
                    isSynchronized = true;
                    reader.AwaitReply(Limit);
                    Use(QgaReplyReader.Parse(line, "guest-test"));
                }
                catch (ChannelException e)
                {
                    BrokenPromiseException.ThrowUnless(!e.Message.Any(char.IsControl), "a guest's text is not escaped");
                    reader.AwaitReply(Limit);
                }
            }
        }
    }

    private static void Use(JsonElement result)
    {
        UntrustedJson.Text(result);
        UntrustedJson.Text(result, "desc");
        UntrustedJson.Bytes(result, "buf-b64");
        UntrustedJson.Number(result, "count");
        UntrustedJson.IsTrue(result, "eof");
        foreach (var item in UntrustedJson.Items(result, "list", 20))
        {
            UntrustedJson.Text(item);
        }
    }
}
