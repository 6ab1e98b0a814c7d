using System.IO.Hashing;

namespace ChannelSdk.Services.Install;

/// <summary>
/// The bytes of a disk's data as they pass: how many, and their XXH3 of 64 bits. It finds accidents on the way; an end that lies is not
/// found by any hash, as it lies about the data itself.
/// </summary>
public sealed class DataDigest
{
    private readonly XxHash3 _hash = new();

    /// <summary>Bytes taken in so far.</summary>
    public ulong Bytes { get; private set; }

    /// <summary>The hash of all that was taken in so far.</summary>
    public ulong Hash => _hash.GetCurrentHashAsUInt64();

    /// <summary>Takes the next bytes in.</summary>
    /// <param name="data">Any number of them.</param>
    public void Append(ReadOnlySpan<byte> data)
    {
        Bytes += (ulong)data.Length;
        _hash.Append(data);
    }
}
