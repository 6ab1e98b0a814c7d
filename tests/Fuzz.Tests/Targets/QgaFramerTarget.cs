using System.Text.Json;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.GuestAgent.Qga;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>
/// A client of the agent's QEMU face that sends anything, in pieces of any length. What is wrong is said to be wrong, a reset finds
/// the request behind it, and all memory that was taken comes back.
/// </summary>
internal sealed class QgaFramerTarget : IFuzzTarget
{
    private const int AllMemory = 6 << 20;

    public string Name => "qga-framer";

    public int MaxLength => 8192;

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        [7, .. "{\"execute\":\"guest-file-write\",\"arguments\":{\"handle\":1000,\"buf-b64\":\"AAAA\"}}"u8],
        [1, .. "{'execute':'guest-exec','arguments':{'path':'/bin/true','arg':['a','\\u00e9'],'capture-output':true}} "u8, 0xFF, .. "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":5}}"u8],
        [200, .. "[[[{\"a\":{\"a\":1e9}}]]]null \"text\" -5 {\"id\":\"\\ud83d\\ude00\"}"u8],
    ];

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        [.. "{\"execute\":"u8], [.. "\"arguments\":{"u8], [.. "\"handle\":1000"u8], [.. "\"buf-b64\":\""u8], [.. "\\u"u8], [.. "\\ud800"u8], [.. "\\\""u8], [.. "true"u8], [.. "null"u8],
        [.. "1e999"u8], [.. "}}"u8], [0xFF], [.. "[[[[[[[["u8], [.. "\"id\":"u8], [.. "'"u8], [.. ","u8], [.. "==\""u8], [.. "\n"u8],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var memory = new QgaMemory();
        var framer = new QgaFramer(memory);
        var piece = 1 + input[0] * 4;
        byte[] all = [.. input[1..], 0xFF, .. "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":77}}"u8];
        QgaRequest? last = null;
        for (var at = 0; at < all.Length;)
        {
            var space = framer.Space;
            BrokenPromiseException.ThrowUnless(!space.IsEmpty, "there is no room for more");
            var length = Math.Min(piece, Math.Min(space.Length, all.Length - at));
            all.AsSpan(at, length).CopyTo(space.Span);
            framer.Advance(length);
            at += length;
            last = Drain(framer) ?? last;
        }

        BrokenPromiseException.ThrowUnless(last?.Command == "guest-sync" && last.Arguments.Integer("id") == 77, "the request behind a reset was not found");
        framer.Release();
        BrokenPromiseException.ThrowUnless(memory.TryTake(AllMemory), "memory of a text did not come back");
    }

    private static QgaRequest? Drain(QgaFramer framer)
    {
        QgaRequest? last = null;
        while (true)
        {
            try
            {
                if (framer.Next() is not { } text)
                {
                    return last;
                }

                BrokenPromiseException.ThrowUnless(text.Length <= QgaFramer.MaxMessage, $"a text of {text.Length} bytes was taken");
                var value = QgaValue.Parse(text);
                last = QgaRequest.Read(value);
                Use(last.Arguments, value);
            }
            catch (QgaException)
            {
                // What is wrong is said to be wrong.
            }
        }
    }

    private static void Use(QgaArguments arguments, QgaValue value)
    {
        using (var json = new Utf8JsonWriter(Stream.Null))
        {
            value.WriteTo(json);
        }

        if (arguments.Has("buf-b64"))
        {
            arguments.BytesOrNull("buf-b64");
        }

        arguments.TextOrNull("path");
        arguments.IntegerOrNull("handle");
        arguments.BooleanOrNull("capture-output");
        arguments.Texts("arg");
        arguments.IntegerOrNull("id");
        arguments.End();
    }
}
