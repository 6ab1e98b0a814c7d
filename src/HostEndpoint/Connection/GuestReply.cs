using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using Google.Protobuf;

namespace ChannelSdk.Host.Connection;

/// <summary>Messages of a streaming call that a guest sends.</summary>
public static class GuestReply
{
    /// <summary>Decodes one.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: the stream ended instead, or it cannot be decoded.</exception>
    public static T Parse<T>(MessageParser<T> parser, ReceivedMessage untrusted, string what)
        where T : IMessage<T>
    {
        ArgumentNullException.ThrowIfNull(parser);
        ArgumentNullException.ThrowIfNull(what);
        if (untrusted.IsEnd)
        {
            throw Wrong($"the guest ended {what} without an answer");
        }

        try
        {
            return parser.ParseFrom(untrusted.Span);
        }
        catch (InvalidProtocolBufferException)
        {
            throw Wrong($"the guest's answer to {what} cannot be decoded");
        }
    }

    private static ChannelException Wrong(string text) => new(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, text);
}
