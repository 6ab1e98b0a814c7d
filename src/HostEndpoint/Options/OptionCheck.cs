using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Host.Options;

/// <summary>Checks of the values of an options record: what is wrong is an <see cref="ArgumentException"/> with the option's name.</summary>
public static class OptionCheck
{
    private const int MostPath = 4095;

    /// <summary>A number within its range.</summary>
    public static void Range<T>(T value, T min, T max, [CallerArgumentExpression(nameof(value))] string name = "")
        where T : INumber<T>
    {
        // Written so that a NaN is refused too.
        if (!(value >= min && value <= max))
        {
            throw OutOfRange(name, value, $"{min} to {max} are allowed");
        }
    }

    /// <summary>A time within its range.</summary>
    public static void Range(TimeSpan value, TimeSpan min, TimeSpan max, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (value < min || value > max)
        {
            throw OutOfRange(name, value, $"{min} to {max} are allowed");
        }
    }

    /// <summary>A value that the type has.</summary>
    public static void Defined<T>(T value, [CallerArgumentExpression(nameof(value))] string name = "")
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            throw OutOfRange(name, value, $"{string.Join(", ", Enum.GetNames<T>())} are allowed");
        }
    }

    /// <summary>A path or name of a program: not empty, and without characters that no file name has.</summary>
    public static void Path(string? value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        ArgumentException.ThrowIfNullOrEmpty(value, name);
        Text(value, name);
        if (value.Length > MostPath)
        {
            throw new ArgumentException($"{name} has {value.Length} characters; {MostPath} are allowed", name);
        }
    }

    /// <summary>As <see cref="Path"/>, where there may be none.</summary>
    public static void PathOrNull(string? value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (value is not null)
        {
            Path(value, name);
        }
    }

    /// <summary>A text that a program can be given.</summary>
    public static void Text(string? value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(value, name);
        if (value.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException($"{name} has a zero in it, which no program can be given", name);
        }
    }

    /// <summary>Texts that a program can be given.</summary>
    public static void Texts(IEnumerable<string>? values, [CallerArgumentExpression(nameof(values))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(values, name);
        foreach (var value in values)
        {
            Text(value, name);
        }
    }

    /// <summary>Variables of an environment.</summary>
    public static void Variables(IEnumerable<KeyValuePair<string, string>>? values, [CallerArgumentExpression(nameof(values))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(values, name);
        foreach (var (key, value) in values)
        {
            Text(key, name);
            Text(value, name);
            if (key.Length == 0 || key.Contains('=', StringComparison.Ordinal))
            {
                throw new ArgumentException($"{name} has a variable '{SafeText.Escape(key, 100)}'; a name is not empty and has no =", name);
            }
        }
    }

    /// <summary>No gaps in a list.</summary>
    public static void NoNulls<T>(IEnumerable<T>? values, [CallerArgumentExpression(nameof(values))] string name = "")
        where T : class
    {
        ArgumentNullException.ThrowIfNull(values, name);
        if (values.Contains(null))
        {
            throw new ArgumentException($"{name} has a null in it", name);
        }
    }

    private static ArgumentOutOfRangeException OutOfRange(string name, object? value, FormattableString allowed) =>
        new(name, string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; {allowed.ToString(CultureInfo.InvariantCulture)}"));
}
