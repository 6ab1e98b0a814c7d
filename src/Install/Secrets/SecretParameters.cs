using ChannelSdk.Install.Names;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Secrets;

/// <summary>
/// The values of secret OS parameters for one operation, which takes them over and wipes them when it ends, however it
/// ends. They are kept nowhere else, so every operation must be given them.
/// </summary>
public sealed class SecretParameters : IDisposable
{
    private readonly Dictionary<string, SecretValue> _values = new(StringComparer.Ordinal);

    /// <summary>Names of the parameters that have a value here.</summary>
    public IReadOnlyCollection<string> Names => _values.Keys;

    /// <summary>Gives a parameter its value, which belongs to this from now on.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed. The value is wiped then.</exception>
    public void Add(string name, SecretValue value)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(value);
        try
        {
            ParameterName.Check(name);
        }
        catch
        {
            value.Dispose();
            throw;
        }

        if (_values.Remove(name, out var former))
        {
            former.Dispose();
        }

        _values[name] = value;
    }

    /// <summary>Wipes all of them.</summary>
    public void Dispose()
    {
        foreach (var value in _values.Values)
        {
            value.Dispose();
        }

        _values.Clear();
    }

    /// <summary>Says how many there are, and nothing of them.</summary>
    public override string ToString() => $"{_values.Count} secret parameters";

    internal SecretValue? Find(string name) => _values.GetValueOrDefault(name);
}
