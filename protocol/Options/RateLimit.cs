using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Protocol.Options;

/// <summary>
/// What a peer may send: three token buckets. A peer that goes on above its rate is held by withheld credit and by
/// not reading from its link; nothing is buffered for it (PROTOCOL.md section 7).
/// </summary>
/// <param name="BytesPerSecond">Payload and header bytes a second; 0 = no limit.</param>
/// <param name="BytesBurst">Bytes that may come at once.</param>
/// <param name="MessagesPerSecond">Frames a second; 0 = no limit.</param>
/// <param name="MessagesBurst">Frames that may come at once.</param>
/// <param name="StreamsPerSecond">New streams a second; 0 = no limit.</param>
/// <param name="StreamsBurst">New streams that may come at once.</param>
public sealed record RateLimit(
    long BytesPerSecond = 0,
    long BytesBurst = 1 << 20,
    long MessagesPerSecond = 0,
    long MessagesBurst = 1000,
    long StreamsPerSecond = 0,
    long StreamsBurst = 100)
{
    internal void Validate(string name)
    {
        if (BytesPerSecond < 0 || MessagesPerSecond < 0 || StreamsPerSecond < 0 || BytesBurst < 1 || MessagesBurst < 1 || StreamsBurst < 1)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"{name}: rates must be 0 (no limit) or more, bursts 1 or more; it is {this}");
        }
    }
}
