using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Platform;

/// <summary>Lists within the room that an answer has for them.</summary>
internal static class MessageBudget
{
    // Kind and length of an item in its list.
    private const int ItemBytes = 5;

    /// <summary>The items that fit, in their order; an item that is too long for the rest makes way for shorter ones.</summary>
    /// <param name="messages">The items.</param>
    /// <param name="bytes">The room.</param>
    public static IEnumerable<T> Within<T>(this IEnumerable<T> messages, int bytes)
        where T : IMessage
    {
        foreach (var message in messages)
        {
            var size = message.CalculateSize() + ItemBytes;
            if (size <= bytes)
            {
                bytes -= size;
                yield return message;
            }
        }
    }
}
