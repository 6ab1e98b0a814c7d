namespace ChannelSdk.Metadata.Model;

/// <summary>An OS parameter. Only a public one shows its value by accident: <see cref="ToString"/> of the others is redacted.</summary>
public sealed class OsParameter : IEquatable<OsParameter>
{
    private readonly string? _value;

    private OsParameter(string? value, ParameterClass parameterClass) => (_value, Class) = (value, parameterClass);

    /// <summary>Who may see the value.</summary>
    public ParameterClass Class { get; }

    /// <summary>False for a secret that was wiped, or that was lost with the process that had it.</summary>
    public bool HasValue => _value is not null;

    /// <summary>A parameter that everybody may see.</summary>
    public static OsParameter Public(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return new(value, ParameterClass.Public);
    }

    /// <summary>A parameter that is stored and not shown.</summary>
    public static OsParameter Private(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return new(value, ParameterClass.Private);
    }

    /// <summary>A parameter that is never stored; null: it has no value any more.</summary>
    public static OsParameter Secret(string? value) => new(value, ParameterClass.Secret);

    /// <summary>The value, for those whom the class allows to have it: the instance itself. Null if there is none.</summary>
    public string? Reveal() => _value;

    /// <inheritdoc/>
    public override string ToString() => Class == ParameterClass.Public ? _value! : "<redacted>";

    /// <inheritdoc/>
    public bool Equals(OsParameter? other) => other is not null && other.Class == Class && other._value == _value;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as OsParameter);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Class, _value);
}
