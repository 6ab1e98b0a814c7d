using ChannelSdk.Install.Personalization;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Data;

/// <summary>A kind of place for the data of a disk.</summary>
internal abstract class DataPlace
{
    /// <summary>Where its server has it; null: there is none.</summary>
    public virtual PackageUrl? Url => null;

    /// <summary>What can be checked before an operation begins.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong.</exception>
    public abstract void Check(bool isExport);

    /// <summary>Opens it to be written.</summary>
    public abstract Task<DataTarget> CreateAsync(DataMeans means, CancellationToken cancellationToken);

    /// <summary>Opens it to be read.</summary>
    public abstract Task<DataSource> OpenAsync(DataMeans means, CancellationToken cancellationToken);

    /// <summary>For a log or an error.</summary>
    public abstract override string ToString();

    protected static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
}

/// <summary>An open place that the data of a disk is written to. Disposed of before its commit, it leaves nothing that looks whole.</summary>
internal abstract class DataTarget : IAsyncDisposable
{
    /// <summary>Takes the data.</summary>
    public abstract Stream Stream { get; }

    /// <summary>The data is whole: brings it to its place for good, as far as that can be done before the operation has succeeded.</summary>
    public abstract Task FinishAsync(CancellationToken cancellationToken);

    /// <summary>The operation has succeeded.</summary>
    public virtual void Commit()
    {
    }

    /// <summary>Why a write failed; null where the exception itself says it.</summary>
    public virtual Task<ChannelException?> ExplainAsync() => Task.FromResult<ChannelException?>(null);

    public abstract ValueTask DisposeAsync();
}

/// <summary>An open place that the data of a disk is read from.</summary>
internal abstract class DataSource : IAsyncDisposable
{
    /// <summary>How many bytes there are; null: that is not known.</summary>
    public abstract long? Length { get; }

    /// <summary>The next bytes; 0: the end.</summary>
    public abstract ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    public abstract ValueTask DisposeAsync();
}
