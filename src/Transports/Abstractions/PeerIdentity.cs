namespace ChannelSdk.Transports.Abstractions;

/// <summary>Who the peer is, told by the transport's construction (which socket path, port, CID or domain).</summary>
/// <param name="Scheme">The transport's URI scheme.</param>
/// <param name="Address">The path, CID, domain id or namespace that the link came through.</param>
/// <param name="ProcessId">The peer's process id where the kernel tells it (Unix sockets), else 0.</param>
/// <param name="UserId">The peer's user id where the kernel tells it, else null.</param>
public readonly record struct PeerIdentity(string Scheme, string Address, int ProcessId = 0, uint? UserId = null)
{
    /// <inheritdoc/>
    public override string ToString() =>
        UserId is { } uid ? $"{Scheme}:{Address} (uid {uid}, pid {ProcessId})" : $"{Scheme}:{Address}";
}
