namespace ChannelSdk.Host.Storage;

/// <summary>What a guest says of the trim of one file system. Texts are escaped, so they are safe to print.</summary>
/// <param name="Mount">Where it is mounted.</param>
/// <param name="Type">For instance "ext4".</param>
/// <param name="TrimmedBytes">Bytes that the file system says it has given back.</param>
/// <param name="Reason">Why it was not trimmed; empty for success.</param>
public sealed record TrimResult(string Mount, string Type, long TrimmedBytes, string Reason);
