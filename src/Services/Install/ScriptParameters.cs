using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>The values that the script of a half may ask for, by name. Thread-safe.</summary>
public sealed class ScriptParameters
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (ReadOnlyMemory<byte> Value, byte[]? Own)> _values = new(StringComparer.Ordinal);

    /// <summary>Adds one. The array is kept, and zeroed by <see cref="Wipe"/>.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: a wrong name, or a known one, upper and lower case being the same.</exception>
    public void Add(string untrustedName, byte[] value) => Add(untrustedName, value, value);

    /// <summary>Adds one by reference: the memory stays its owner's, who keeps it until <see cref="Wipe"/> and overwrites it then.</summary>
    /// <exception cref="ChannelException">As for the other.</exception>
    public void Add(string untrustedName, ReadOnlyMemory<byte> value) => Add(untrustedName, value, null);

    private void Add(string untrustedName, ReadOnlyMemory<byte> value, byte[]? own)
    {
        if (!InstallNames.IsParameter(untrustedName))
        {
            throw InstallNames.Wrong("parameter", "a-z, A-Z, 0-9 and '_', first a letter");
        }

        lock (_gate)
        {
            if (_values.Keys.Any(known => known.Equals(untrustedName, StringComparison.OrdinalIgnoreCase)))
            {
                throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"the parameter {untrustedName} is there twice; upper and lower case do not make a difference");
            }

            _values.Add(untrustedName, (value, own));
        }
    }

    /// <summary>A value: the memory that is kept, so that no copy of it outlives <see cref="Wipe"/>. </summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>.</exception>
    public ReadOnlyMemory<byte> Get(string untrustedName)
    {
        lock (_gate)
        {
            return _values.TryGetValue(untrustedName, out var value)
                ? value.Value
                : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, "the operation has no parameter of this name");
        }
    }

    /// <summary>Zeroes the values that are its own, and forgets all.</summary>
    public void Wipe()
    {
        lock (_gate)
        {
            foreach (var (_, own) in _values.Values)
            {
                Array.Clear(own ?? []);
            }

            _values.Clear();
        }
    }
}
