using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Operations;

/// <summary>The data of an operation's disks at this host: the places, opened one after the other, and what was moved.</summary>
internal sealed class OperationData(OperationPlan plan, InstallerOptions options, OperationReports reports, Action<LaunchResource> onResource) : IAsyncDisposable
{
    private readonly List<DataFlow> _flows = [];
    private readonly List<MovedData> _moved = [];
    private readonly Lock _gate = new();
    private bool _isOver;

    /// <summary>Whether the data goes out of the disks.</summary>
    public bool IsExport => plan.Request.Action == InstallAction.Export;

    /// <summary>How many disks.</summary>
    public int Count => plan.Request.Data.Count;

    /// <summary>The disks whose data was moved as a whole.</summary>
    public IReadOnlyList<MovedData> Moved => _moved;

    /// <summary>Opens the place of the next disk.</summary>
    /// <exception cref="ChannelException">Why it cannot be.</exception>
    public async Task<DataFlow> OpenAsync(int disk, CancellationToken cancellationToken)
    {
        var means = new DataMeans(options.DataServers, plan.Request.DataCredentials, onResource);
        var meter = new DataMeter(disk, options.Time, progress => reports.Data(progress));
        var flow = await DataFlow.OpenAsync(plan.Request.Data[disk], IsExport, means, meter, cancellationToken).ConfigureAwait(false);
        lock (_gate)
        {
            if (!_isOver)
            {
                _flows.Add(flow);
                return flow;
            }
        }

        // The operation no longer waits for it.
        await flow.DisposeAsync().ConfigureAwait(false);
        throw new OperationCanceledException();
    }

    /// <summary>The data of a disk was moved as a whole.</summary>
    public async Task FinishAsync(DataFlow flow, MovedData moved, CancellationToken cancellationToken)
    {
        await flow.FinishAsync(cancellationToken).ConfigureAwait(false);
        _moved.Add(moved);
        reports.Data(moved);
    }

    /// <summary>The operation has succeeded: what an export has brought has its place from now on.</summary>
    /// <exception cref="ChannelException">It cannot.</exception>
    public void Commit() => _flows.ForEach(static flow => flow.Commit());

    /// <summary>Gives up what has no place yet.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _isOver = true;
        }

        foreach (var flow in _flows)
        {
            await BoundedEnd.OfAsync(flow.DisposeAsync()).ConfigureAwait(false);
        }
    }
}
