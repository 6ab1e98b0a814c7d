namespace ChannelSdk.Protocol.Toml;

/// <summary>Bytes that are not of <see cref="TomlReader"/>'s language.</summary>
/// <param name="line">Where, from 1.</param>
/// <param name="message">What is wrong there and what to write, in words that a terminal can show.</param>
public sealed class TomlException(int line, string message) : Exception(message)
{
    /// <summary>Where, from 1.</summary>
    public int Line => line;
}
