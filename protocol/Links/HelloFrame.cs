using ChannelSdk.Protocol.Frames;

namespace ChannelSdk.Protocol.Links;

/// <summary>Finds HELLO frames in bytes of which nothing is known yet.</summary>
internal static class HelloFrame
{
    /// <summary>Whether a whole HELLO is among the first bytes of a link.</summary>
    public static bool IsAmong(ReadOnlySpan<byte> untrusted)
    {
        for (int at; (at = untrusted.IndexOf(Hello.Marker)) >= 0; untrusted = untrusted[(at + 1)..])
        {
            if (TryRead(untrusted[at..], out _) > 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Size of the HELLO frame at the start, 0 if more bytes are needed, -1 if it is no HELLO.</summary>
    public static int TryRead(ReadOnlySpan<byte> untrusted, out Hello hello)
    {
        hello = default;
        switch (FrameHeader.TryRead(untrusted, out var header))
        {
            case HeaderStatus.NeedMore:
                return 0;
            case HeaderStatus.Corrupt or HeaderStatus.OtherVersion:
                return -1;
        }

        if (header.Length is < Hello.Size or > Hello.MaxSize)
        {
            return -1;
        }

        if (untrusted.Length < FrameHeader.Size + header.Length)
        {
            return 0;
        }

        var payload = untrusted.Slice(FrameHeader.Size, header.Length);
        if (Crc32C.Compute(payload) != header.PayloadCrc)
        {
            return -1;
        }

        hello = Hello.Read(payload);
        return FrameHeader.Size + header.Length;
    }
}
