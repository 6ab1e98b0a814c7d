using ChannelSdk.Protocol;

namespace ChannelSdk.Runtime.Halves;

/// <summary>The values that the script of a half may ask for, by name. Thread-safe.</summary>
public sealed class HalfParameters
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, byte[]> _values = new(StringComparer.Ordinal);

    /// <summary>Adds one. The array is kept, and zeroed by <see cref="Wipe"/>.</summary>
    /// <exception cref="ChannelException">InvalidArgument: a wrong name, or one that is there already but for upper and lower case.</exception>
    public void Add(string untrustedName, byte[] value)
    {
        if (!HalfNames.IsParameter(untrustedName))
        {
            throw HalfNames.Wrong("parameter", "a-z, A-Z, 0-9 and '_', first a letter");
        }

        lock (_gate)
        {
            if (_values.Keys.Any(known => known.Equals(untrustedName, StringComparison.OrdinalIgnoreCase)))
            {
                throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"the parameter {untrustedName} is there twice; upper and lower case do not make a difference");
            }

            _values.Add(untrustedName, value);
        }
    }

    /// <summary>A value: the array that is kept, so that no copy of it outlives <see cref="Wipe"/>. It is not to be changed.</summary>
    /// <exception cref="ChannelException">NotFound.</exception>
    public byte[] Get(string untrustedName)
    {
        lock (_gate)
        {
            return _values.TryGetValue(untrustedName, out var value)
                ? value
                : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, "the operation has no parameter of this name");
        }
    }

    /// <summary>Zeroes all values and forgets them.</summary>
    public void Wipe()
    {
        lock (_gate)
        {
            foreach (var value in _values.Values)
            {
                Array.Clear(value);
            }

            _values.Clear();
        }
    }
}
