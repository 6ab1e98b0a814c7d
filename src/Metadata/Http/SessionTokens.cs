using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;

namespace ChannelSdk.Metadata.Http;

/// <summary>
/// IMDSv2 session tokens of one instance: an expiry time and a keyed hash of it, so that the host keeps nothing for a
/// token. The key is the instance's and dies with the attachment; clients get a new token on 401.
/// </summary>
internal sealed class SessionTokens(TimeProvider time)
{
    public const int MaxLifetimeSeconds = 21600;

    private const int ExpiryBytes = 8;
    private const int MacBytes = 24;
    private const int TokenBytes = ExpiryBytes + MacBytes;

    private readonly long _start = time.GetTimestamp();
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);

    // Milliseconds of the monotonic clock: a step of the wall clock neither ends a token nor lengthens it.
    private long Now => (long)time.GetElapsedTime(_start).TotalMilliseconds;

    public string Issue(int lifetimeSeconds)
    {
        Span<byte> token = stackalloc byte[TokenBytes];
        BinaryPrimitives.WriteInt64BigEndian(token, Now + lifetimeSeconds * 1000L);
        Sign(token[..ExpiryBytes], token[ExpiryBytes..]);
        return Base64Url.EncodeToString(token);
    }

    public bool IsValid(string untrusted)
    {
        Span<byte> token = stackalloc byte[TokenBytes];
        if (untrusted.Length != Base64Url.GetEncodedLength(TokenBytes) || !Base64Url.IsValid(untrusted, out var length) || length != TokenBytes
            || !Base64Url.TryDecodeFromChars(untrusted, token, out _))
        {
            return false;
        }

        Span<byte> mac = stackalloc byte[MacBytes];
        Sign(token[..ExpiryBytes], mac);
        return CryptographicOperations.FixedTimeEquals(mac, token[ExpiryBytes..])
            && BinaryPrimitives.ReadInt64BigEndian(token) > Now;
    }

    private void Sign(ReadOnlySpan<byte> expiry, Span<byte> mac)
    {
        Span<byte> whole = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_key, expiry, whole);
        whole[..MacBytes].CopyTo(mac);
    }
}
