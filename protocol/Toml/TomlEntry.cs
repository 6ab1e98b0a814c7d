namespace ChannelSdk.Protocol.Toml;

/// <summary>One <c>key = value</c> of a file, or the head of a table, for which <see cref="Key"/> is empty.</summary>
/// <param name="Table">Name of the table that it stands in; empty before the first one.</param>
/// <param name="IsArrayTable">Whether that table is one of several (<c>[[name]]</c>).</param>
/// <param name="Key">The key.</param>
/// <param name="Value">A <see cref="string"/>, <see cref="bool"/> or <see cref="long"/>, or a list of texts as <c>string[]</c>; null for a head.</param>
/// <param name="Line">Line of the key or the head, from 1.</param>
public sealed record TomlEntry(string Table, bool IsArrayTable, string Key, object? Value, int Line);
