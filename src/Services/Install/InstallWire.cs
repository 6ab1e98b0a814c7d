using System.Text;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.Services.Install;

/// <summary>What both sides of an install.Run stream need to read it.</summary>
public static class InstallWire
{
    private const int MaxReason = 1024;

    /// <summary>Decodes a message of the other side.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>.</exception>
    public static T Parse<T>(MessageParser<T> parser, ReadOnlySpan<byte> untrusted)
        where T : IMessage<T>
    {
        try
        {
            return parser.ParseFrom(untrusted);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, $"the other side sent a {typeof(T).Name} that cannot be decoded", e);
        }
    }

    /// <summary>A half's end, with a reason cut to what the contract allows.</summary>
    /// <param name="code">Its exit code.</param>
    /// <param name="signal">The signal that ended it, or 0.</param>
    /// <param name="reason">Why, unless it ended by itself.</param>
    public static ScriptEnded Ended(uint code, uint signal, string reason) => new() { Code = code, Signal = signal, Reason = Cut(reason, MaxReason) };

    /// <summary>A half's end in words; unescaped where the other side says why.</summary>
    public static string Describe(ScriptEnded end) =>
        end.Reason.Length > 0 ? $"the other half has ended: {Cut(end.Reason, MaxReason)}"
        : end.Signal != 0 ? $"the other half was ended by signal {end.Signal}"
        : $"the other half has ended with code {end.Code}";

    /// <summary>The beginning of a text, at most so many bytes of UTF-8, between characters.</summary>
    public static string Cut(string text, int maxBytes)
    {
        if (text.Length <= maxBytes && Encoding.UTF8.GetByteCount(text) <= maxBytes)
        {
            return text;
        }

        var bytes = 0;
        var length = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if ((bytes += rune.Utf8SequenceLength) > maxBytes)
            {
                break;
            }

            length += rune.Utf16SequenceLength;
        }

        return text[..length];
    }

    /// <summary>The error for a kind that does not belong there.</summary>
    public static ChannelException Unexpected(InstallMessage kind) =>
        new(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, $"a message of kind {(byte)kind} does not belong here in an install.Run stream");
}
