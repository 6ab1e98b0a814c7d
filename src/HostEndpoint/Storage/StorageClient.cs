using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Options;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Storage;

namespace ChannelSdk.Host.Storage;

/// <summary>What the guest gives back to the storage below it.</summary>
public sealed class StorageClient
{
    private readonly AgentConnection _connection;

    internal StorageClient(AgentConnection connection) => _connection = connection;

    /// <summary>Has the guest tell its storage which blocks are unused.</summary>
    /// <param name="mounts">Mount points; null for all.</param>
    /// <param name="minimumBytes">Ranges of fewer bytes are left alone.</param>
    /// <param name="cancellationToken">
    /// Gives up the wait; the guest finishes nevertheless. Once its agent was reached there is no other limit, as storage may take long.
    /// </param>
    /// <returns>A result for each file system, as the guest says.</returns>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/> (no such mount), <see cref="ChannelError.FailedPrecondition"/> (a trim runs, or the guest is frozen), <see cref="ChannelError.PermissionDenied"/>, <see cref="ChannelError.DeadlineExceeded"/> (no agent in time).</exception>
    public async Task<IReadOnlyList<TrimResult>> TrimAsync(
        IEnumerable<string>? mounts = null, long minimumBytes = 0, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(minimumBytes);
        var asked = mounts?.ToList() ?? [];
        OptionCheck.NoNulls(asked, nameof(mounts));
        var request = new TrimRequest { MinimumBytes = (ulong)minimumBytes };
        request.Mounts.AddRange(asked);
        await _connection.ReachAsync(StorageMethods.Trim, cancellationToken).ConfigureAwait(false);
        var reply = await _connection.Channel.CallAsync(StorageMethods.Trim, request, default, cancellationToken).ConfigureAwait(false);
        return GuestClaim.List(reply.Mounts, static m => new TrimResult(GuestClaim.Text(m.Mount), GuestClaim.Text(m.Type), GuestClaim.Number(m.TrimmedBytes), GuestClaim.Text(m.Reason)));
    }
}
