namespace ChannelSdk.Install.Data;

/// <summary>A stream of the caller's, which stays open.</summary>
internal sealed class StreamPlace(Stream stream) : DataPlace
{
    public override void Check(bool isExport)
    {
        if (isExport ? !stream.CanWrite : !stream.CanRead)
        {
            throw Wrong($"the stream for the data of a disk cannot be {(isExport ? "written" : "read")}");
        }
    }

    public override Task<DataTarget> CreateAsync(DataMeans means, CancellationToken cancellationToken) => Task.FromResult<DataTarget>(new Target(stream));

    public override Task<DataSource> OpenAsync(DataMeans means, CancellationToken cancellationToken) => Task.FromResult<DataSource>(new Source(stream));

    public override string ToString() => "a stream";

    private sealed class Target(Stream stream) : DataTarget
    {
        public override Stream Stream => stream;

        public override Task FinishAsync(CancellationToken cancellationToken) => stream.FlushAsync(cancellationToken).WaitAsync(cancellationToken);

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Source(Stream stream) : DataSource
    {
        public override long? Length => null;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => stream.ReadAsync(buffer, cancellationToken);

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
