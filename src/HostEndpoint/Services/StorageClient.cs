using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;

namespace ChannelSdk.HostEndpoint.Services;

/// <summary>What the guest gives back to the storage below it.</summary>
public sealed class StorageClient
{
    private readonly Instance _instance;

    internal StorageClient(Instance instance) => _instance = instance;

    /// <summary>Has the guest tell its storage which blocks are unused.</summary>
    /// <param name="mounts">Mount points; null for all.</param>
    /// <param name="minimumBytes">Ranges of fewer bytes are left alone.</param>
    /// <param name="cancellationToken">
    /// Gives up the wait; the guest finishes nevertheless. Once its agent was reached there is no other limit, as storage may take long.
    /// </param>
    /// <returns>A result for each file system, in the guest's words: escape them before they are shown.</returns>
    /// <exception cref="ChannelException">NotFound (no such mount), FailedPrecondition (a trim runs, or the guest is frozen), PermissionDenied, DeadlineExceeded (no agent in time).</exception>
    public async ValueTask<IReadOnlyList<TrimResult>> TrimAsync(
        IEnumerable<string>? mounts = null, ulong minimumBytes = 0, CancellationToken cancellationToken = default)
    {
        var asked = mounts?.ToList() ?? [];
        OptionCheck.NoNulls(asked, nameof(mounts));
        var request = new TrimRequest { MinimumBytes = minimumBytes };
        request.Mounts.AddRange(asked);
        await _instance.ReachAsync(ServiceMethods.StorageTrim.Name, cancellationToken).ConfigureAwait(false);
        return (await _instance.Channel.CallAsync(ServiceMethods.StorageTrim, request, default, cancellationToken).ConfigureAwait(false)).Mounts;
    }
}
