using System.Buffers.Binary;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>
/// Payload of a call's OPEN frame (PROTOCOL.md section 10): flags u8 (bit 0: streaming), name length u8, zero u16,
/// deadline u32 (milliseconds from now, 0 = none), then the method's name in ASCII.
/// </summary>
/// <param name="isStream">Messages both ways, or one request and one reply.</param>
/// <param name="deadlineMs">Milliseconds that the call may take, 0 for no limit.</param>
/// <param name="method">Name of the method.</param>
public readonly ref struct RpcHeader(bool isStream, uint deadlineMs, ReadOnlySpan<byte> method)
{
    /// <summary>Bytes before the name.</summary>
    public const int FixedSize = 8;
    /// <summary>Most characters of a method's name.</summary>
    public const int MaxMethod = 128;

    /// <summary>Messages both ways, or one request and one reply.</summary>
    public bool IsStream { get; } = isStream;
    /// <summary>Milliseconds that the call may take, 0 for no limit.</summary>
    public uint DeadlineMs { get; } = deadlineMs;
    /// <summary>Name of the method: printable ASCII characters.</summary>
    public ReadOnlySpan<byte> Method { get; } = method;

    /// <summary>Encodes it and gives its size.</summary>
    public int Write(Span<byte> target)
    {
        target[0] = IsStream ? (byte)1 : (byte)0;
        target[1] = (byte)Method.Length;
        BinaryPrimitives.WriteUInt16LittleEndian(target[2..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(target[4..], DeadlineMs);
        Method.CopyTo(target[FixedSize..]);
        return FixedSize + Method.Length;
    }

    /// <summary>Decodes what the peer sent. False: it is malformed.</summary>
    public static bool TryRead(ReadOnlySpan<byte> untrusted, out RpcHeader header)
    {
        header = default;
        if (untrusted.Length < FixedSize || untrusted[0] > 1 || untrusted[1] is 0 or > MaxMethod
            || untrusted.Length != FixedSize + untrusted[1] || untrusted[2] != 0 || untrusted[3] != 0)
        {
            return false;
        }

        var untrustedName = untrusted[FixedSize..];
        if (untrustedName.ContainsAnyExceptInRange((byte)0x21, (byte)0x7E))
        {
            return false;
        }

        header = new RpcHeader(untrusted[0] == 1, BinaryPrimitives.ReadUInt32LittleEndian(untrusted[4..]), untrustedName);
        return true;
    }
}
