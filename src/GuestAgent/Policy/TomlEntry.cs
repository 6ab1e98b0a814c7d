namespace ChannelSdk.GuestAgent.Policy;

/// <summary>One <c>key = value</c> of a file, or the head of a table, for which <see cref="Key"/> is empty.</summary>
/// <param name="Table">Name of the table that it stands in; empty before the first one.</param>
/// <param name="IsArrayTable">Whether that table is one of several (<c>[[name]]</c>).</param>
/// <param name="Key">The key.</param>
/// <param name="Value">A <see cref="string"/>, or the items of a list of strings as <c>string[]</c>.</param>
/// <param name="Line">Line of the key or the head, from 1.</param>
internal sealed record TomlEntry(string Table, bool IsArrayTable, string Key, object? Value, int Line);
