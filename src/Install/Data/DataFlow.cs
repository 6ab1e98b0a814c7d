using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Data;

/// <summary>The data of one disk on its way between a script and its place, at this host.</summary>
internal sealed class DataFlow : IAsyncDisposable
{
    private readonly DiskData _place;
    private readonly DataTarget? _target;
    private readonly DataSource? _source;

    private DataFlow(DiskData place, DataMeter meter, DataTarget? target, DataSource? source) =>
        (_place, Meter, _target, _source) = (place, meter, target, source);

    /// <summary>What has passed.</summary>
    public DataMeter Meter { get; }

    /// <summary>Opens the place of a disk.</summary>
    /// <exception cref="ChannelException">Why it cannot be.</exception>
    public static async Task<DataFlow> OpenAsync(DiskData place, bool isExport, DataMeans means, DataMeter meter, CancellationToken cancellationToken)
    {
        try
        {
            if (isExport)
            {
                return new DataFlow(place, meter, await place.CreateAsync(means, cancellationToken).ConfigureAwait(false), null);
            }

            var source = await place.OpenAsync(means, cancellationToken).ConfigureAwait(false);
            if (source.Length is { } length)
            {
                meter.Expect((ulong)length);
            }

            return new DataFlow(place, meter, null, source);
        }
        catch (Exception e) when (IsOfPlace(e))
        {
            throw Failed(place, "cannot be opened", e);
        }
    }

    /// <summary>Writes what an export has brought.</summary>
    /// <param name="data">After a cancel it may be in use still.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">Why the place takes no more.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        Meter.Add(data.Span);
        try
        {
            // A write to a file system or a pipe does not end by its token.
            await _target!.Stream.WriteAsync(data, cancellationToken).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsOfPlace(e))
        {
            throw await _target!.ExplainAsync().ConfigureAwait(false) ?? Failed(_place, "cannot be written", e);
        }
    }

    /// <summary>Reads what an import is given; 0: the end.</summary>
    /// <param name="buffer">After a cancel it may be in use still.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">Why the place gives no more.</exception>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            var count = await _source!.ReadAsync(buffer, cancellationToken).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            Meter.Add(buffer.Span[..count]);
            return count;
        }
        catch (Exception e) when (IsOfPlace(e))
        {
            throw Failed(_place, "cannot be read", e);
        }
    }

    /// <summary>All was moved; what an export has brought is brought to its place, as far as that can be done before the operation has succeeded.</summary>
    /// <exception cref="ChannelException">It cannot.</exception>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        try
        {
            await (_target?.FinishAsync(cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
        }
        catch (Exception e) when (IsOfPlace(e))
        {
            throw Failed(_place, "cannot be written", e);
        }
    }

    /// <summary>The operation has succeeded.</summary>
    /// <exception cref="ChannelException">What an export has brought cannot have its place.</exception>
    public void Commit()
    {
        try
        {
            _target?.Commit();
        }
        catch (Exception e) when (IsOfPlace(e))
        {
            throw Failed(_place, "cannot be brought to its place", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await ((IAsyncDisposable?)_target ?? _source!).DisposeAsync().ConfigureAwait(false);
        Meter.Dispose();
    }

    private static bool IsOfPlace(Exception e) => e is IOException or UnauthorizedAccessException or InvalidDataException or HttpRequestException or ObjectDisposedException or NotSupportedException;

    private static ChannelException Failed(DiskData place, string what, Exception e) => new(ChannelError.FailedPrecondition, ErrorClass.MayHaveRun,
        $"{place} with the data of a disk {what}: {(e is InvalidDataException ? "it is no whole gzip data" : FileFault.Describe(e))}", e);
}
