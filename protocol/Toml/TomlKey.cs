using System.Globalization;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Protocol.Toml;

/// <summary>One key that a file may set.</summary>
/// <typeparam name="T">The settings that are made of the file.</typeparam>
/// <param name="Name">As it stands before the equals sign.</param>
/// <param name="Allowed">What may stand behind the equals sign, for a person.</param>
/// <param name="Apply">
/// The settings with the value, which is as <see cref="TomlEntry.Value"/> tells, or null if it is not allowed. May throw a
/// <see cref="ChannelException"/> that says more.
/// </param>
public sealed record TomlKey<T>(string Name, string Allowed, Func<T, object, T?> Apply)
    where T : class;

/// <summary>Makes keys, each for values of one type.</summary>
public static class TomlKey
{
    /// <summary>A key for a text.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="allowed">What the text may be, for a person.</param>
    /// <param name="apply">The settings with it, or null if it is not allowed.</param>
    public static TomlKey<T> Text<T>(string name, string allowed, Func<T, string, T?> apply)
        where T : class => new(name, allowed, (settings, value) => value is string text ? apply(settings, text) : null);

    /// <summary>A key for <c>true</c> or <c>false</c>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="apply">The settings with it.</param>
    public static TomlKey<T> Switch<T>(string name, Func<T, bool, T> apply)
        where T : class => new(name, "true or false", (settings, value) => value is bool isOn ? apply(settings, isOn) : null);

    /// <summary>A key for a whole number.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="min">The smallest that is allowed.</param>
    /// <param name="max">The largest.</param>
    /// <param name="apply">The settings with it.</param>
    public static TomlKey<T> Number<T>(string name, int min, int max, Func<T, int, T> apply)
        where T : class => new(name, string.Create(CultureInfo.InvariantCulture, $"a whole number from {min} to {max}"),
            (settings, value) => value is long number && number >= min && number <= max ? apply(settings, (int)number) : null);

    /// <summary>A key for a list of texts.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="allowed">What the list may be of, for a person.</param>
    /// <param name="check">What is wrong with an item, or null.</param>
    /// <param name="apply">The settings with the list.</param>
    public static TomlKey<T> List<T>(string name, string allowed, Func<string, string?> check, Func<T, string[], T> apply)
        where T : class => new(name, allowed, (settings, value) =>
        {
            foreach (var item in value as string[] ?? [])
            {
                if (check(item) is { } error)
                {
                    throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, error);
                }
            }

            return value is string[] items ? apply(settings, items) : null;
        });
}
