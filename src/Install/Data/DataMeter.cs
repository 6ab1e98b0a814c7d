using System.Security.Cryptography;

namespace ChannelSdk.Install.Data;

/// <summary>How far the data of a disk is.</summary>
/// <param name="Disk">Which disk, from 0.</param>
/// <param name="Bytes">How many bytes were moved.</param>
/// <param name="Total">How many there will be, as it is known or estimated; null: nobody says.</param>
internal readonly record struct DataProgress(int Disk, long Bytes, long? Total);

/// <summary>Counts and hashes the data of one disk as it passes this host, and tells how far it is, once a second at most.</summary>
internal sealed class DataMeter : IDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);
    private readonly int _disk;
    private readonly TimeProvider _time;
    private readonly Action<DataProgress> _told;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _bytes;
    private long _lastTold;
    private long? _total;

    /// <param name="disk">Which disk, from 0.</param>
    /// <param name="time">The clock.</param>
    /// <param name="told">Told how far it is.</param>
    public DataMeter(int disk, TimeProvider time, Action<DataProgress> told)
    {
        (_disk, _time, _told) = (disk, time, told);
        _lastTold = time.GetTimestamp();
    }

    /// <summary>How many bytes there will be; null: nobody says.</summary>
    /// <param name="total">As it is known, or as the script says.</param>
    public void Expect(ulong? total)
    {
        _total = total is <= long.MaxValue ? (long)total : null;
        _told(new DataProgress(_disk, Interlocked.Read(ref _bytes), _total));
    }

    /// <summary>Takes the next bytes in.</summary>
    public void Add(ReadOnlySpan<byte> data)
    {
        _hash.AppendData(data);
        Interlocked.Add(ref _bytes, data.Length);
        if (_time.GetElapsedTime(_lastTold) >= s_pause)
        {
            _lastTold = _time.GetTimestamp();
            _told(new DataProgress(_disk, _bytes, _total));
        }
    }

    /// <summary>All of it.</summary>
    public MovedData Finish() => new(_disk, _bytes, Convert.ToHexStringLower(_hash.GetHashAndReset()));

    public void Dispose() => _hash.Dispose();
}
