using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Text;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Data;

/// <summary>A file of this host.</summary>
internal sealed class FilePlace(string path) : DataPlace
{
    private const int MaxShown = 256;

    public override void Check(bool isExport)
    {
        if (!isExport && !File.Exists(path))
        {
            throw Wrong($"there is no file {this} with the data of a disk");
        }

        if (isExport)
        {
            _ = Target();
        }
    }

    public override Task<DataTarget> CreateAsync(DataMeans means, CancellationToken cancellationToken) =>
        Task.Run<DataTarget>(() => new Pending(new PendingFile(Target(), made => means.OnResource(new LaunchResource(LaunchResourceKind.File, made)))), cancellationToken);

    public override async Task<DataSource> OpenAsync(DataMeans means, CancellationToken cancellationToken) =>
        new Open(await PackageFile.OpenAsync(path, cancellationToken).ConfigureAwait(false));

    public override string ToString() => SafeText.Escape(path, MaxShown);

    /// <summary>Where the file will be: a link leads to its file, and what is no file is not replaced by one.</summary>
    private string Target()
    {
        var full = Path.GetFullPath(path);
        if (Directory.Exists(full) || Path.GetFileName(full).Length == 0)
        {
            throw Wrong($"{this} is a folder, and the data of a disk needs a file");
        }

        if (!Directory.Exists(Path.GetDirectoryName(full)))
        {
            throw Wrong($"there is no folder for {this}; make it before");
        }

        if (RealPath.Of(full) is not { } real)
        {
            return full;
        }

        using var there = new SafeFileHandle(FileCalls.Open(real, Abi.O_PATH | Abi.O_CLOEXEC, 0), ownsHandle: true);
        return FileIdentity.Of((int)there.DangerousGetHandle()) is { IsRegular: true } ? real
            : throw Wrong($"{this} is no regular file, and only such a one is replaced by the data of a disk");
    }

    private sealed class Pending(PendingFile file) : DataTarget
    {
        public override Stream Stream => file.Stream;

        // Not on a thread that others wait for: it ends when all is on the disk.
        public override Task FinishAsync(CancellationToken cancellationToken) => Task.Run(() => file.Stream.Flush(flushToDisk: true), cancellationToken).WaitAsync(cancellationToken);

        public override void Commit() => file.Commit();

        public override ValueTask DisposeAsync()
        {
            file.Dispose();
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Open(FileStream file) : DataSource
    {
        public override long? Length { get; } = file.Length;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => file.ReadAsync(buffer, cancellationToken);

        public override ValueTask DisposeAsync() => file.DisposeAsync();
    }
}
