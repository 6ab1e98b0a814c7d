using System.Collections.Concurrent;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Store;

/// <summary>The present snapshots, and the calls that wait for the next one.</summary>
internal sealed class MetadataTable
{
    private readonly ConcurrentDictionary<string, MetadataSnapshot> _snapshots = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TaskCompletionSource> _waits = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Names => [.. _snapshots.Keys.Order(StringComparer.Ordinal)];

    public MetadataSnapshot? Find(string instance) => _snapshots.GetValueOrDefault(instance);

    /// <summary>Makes a snapshot the present one, or removes it, and wakes waiting calls.</summary>
    public void Put(string instance, MetadataSnapshot? snapshot)
    {
        if (snapshot is null)
        {
            _snapshots.TryRemove(instance, out _);
        }
        else
        {
            _snapshots[instance] = snapshot;
        }

        TaskCompletionSource? wait;
        lock (_waits)
        {
            _waits.Remove(instance, out wait);
        }

        wait?.SetResult();
    }

    public Task WaitChangeAsync(string instance, MetadataSnapshot? known, CancellationToken cancellationToken)
    {
        TaskCompletionSource? wait;
        lock (_waits)
        {
            if (!_waits.TryGetValue(instance, out wait))
            {
                _waits[instance] = wait = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        // After the wait is there: a change that comes now completes it.
        return ReferenceEquals(Find(instance), known) ? wait.Task.WaitAsync(cancellationToken) : Task.CompletedTask;
    }
}
