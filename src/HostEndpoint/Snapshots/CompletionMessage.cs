using System.Globalization;
using System.Security.Cryptography;
using ChannelSdk.Host.Options;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.Host.Snapshots;

/// <summary>A completion as a message, with entropy of this host that is wiped at the end.</summary>
internal sealed class CompletionMessage : IDisposable
{
    private const int EntropySize = 64;
    private const int MostAddresses = 16;
    private const int MostHostName = 253;
    private const int MostInstanceId = 255;
    private const int AddressSize = 6;

    private readonly byte[] _entropy = [];
    private readonly DateTimeOffset? _clock;
    private readonly bool _isCopy;
    private readonly TimeProvider _time;
    private readonly CompleteRequest _request;

    /// <summary>Checks a completion and makes its message.</summary>
    /// <exception cref="ArgumentException">A value that is not allowed.</exception>
    public CompletionMessage(SnapshotCompletion completion, TimeProvider time)
    {
        OptionCheck.Defined(completion.Origin);
        if (completion.Identity is not null && completion.Origin != SnapshotOrigin.Cloned)
        {
            throw new ArgumentException("only a clone gets an identity", nameof(completion));
        }

        (_time, _clock, _isCopy) = (time, completion.WallClock, completion.IsCopy);
        _request = new CompleteRequest { Origin = (Protocol.Services.SnapshotOrigin)completion.Origin };
        if (completion.Identity is { } identity)
        {
            _request.Identity = Of(identity);
        }

        if (_isCopy)
        {
            if (completion.Generation == Guid.Empty)
            {
                throw new ArgumentException("a generation of zeros is none", nameof(completion));
            }

            _request.Generation = Bytes(completion.Generation);
            // Not moved by the collector, so that no other copy of it is left in memory.
            _entropy = GC.AllocateUninitializedArray<byte>(EntropySize, pinned: true);
            RandomNumberGenerator.Fill(_entropy);
            _request.Entropy = UnsafeByteOperations.UnsafeWrap(_entropy);
        }
    }

    /// <summary>The message, with the clock as it is now.</summary>
    public CompleteRequest Now()
    {
        var clock = _clock ?? (_isCopy ? _time.GetUtcNow() : null);
        _request.UnixNs = clock is { } value ? (value - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick : 0;
        return _request;
    }

    /// <summary>Wipes the entropy.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_entropy);

    /// <summary>A generation or machine-id on the wire.</summary>
    public static ByteString Bytes(Guid value) => ByteString.CopyFrom(value.ToByteArray(bigEndian: true));

    private static Protocol.Services.SnapshotIdentity Of(SnapshotIdentity identity)
    {
        var (name, id) = (identity.HostName ?? "", identity.InstanceId ?? "");
        OptionCheck.NoNulls(identity.Addresses, nameof(identity.Addresses));
        OptionCheck.Range(name.Length, 0, MostHostName, nameof(identity.HostName));
        OptionCheck.Range(id.Length, 0, MostInstanceId, nameof(identity.InstanceId));
        OptionCheck.Range(identity.Addresses.Count, 0, MostAddresses, nameof(identity.Addresses));
        var message = new Protocol.Services.SnapshotIdentity { HostName = name, InstanceId = id };
        if (identity.MachineId is { } machine)
        {
            message.MachineId = Bytes(machine);
        }

        foreach (var (present, next) in identity.Addresses)
        {
            message.Addresses.Add(new Protocol.Services.AddressChange { Present = Address(present), Next = Address(next) });
        }

        return message;
    }

    private static ByteString Address(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var bytes = new byte[AddressSize];
        var parts = text.Split(':');
        for (var i = 0; i < AddressSize; i++)
        {
            if (parts.Length != AddressSize || parts[i].Length != 2 || !byte.TryParse(parts[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out bytes[i]))
            {
                throw new ArgumentException($"'{Protocol.Text.SafeText.Escape(text, 64)}' is no hardware address; write six pairs of hexadecimal digits with colons between them", nameof(text));
            }
        }

        return ByteString.CopyFrom(bytes);
    }
}
