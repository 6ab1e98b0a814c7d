using ChannelSdk.Linux.Files;

namespace ChannelSdk.Cli.Shared;

/// <summary>A file of this user's alone, for what comes from or goes to a standard stream; removed at its end.</summary>
internal sealed class SpoolFile : IDisposable
{
    private readonly TemporaryFolder _folder = TemporaryFolder.Create("channelctl-spool-");

    /// <summary>Where it is, or will be.</summary>
    public string Path => System.IO.Path.Combine(_folder.Path, "content");

    /// <summary>Takes a stream to its end.</summary>
    public async Task FillAsync(Stream from, CancellationToken cancellationToken)
    {
        await using var file = File.Create(Path);
        // A read of a standard stream cannot be cancelled: it is left alone.
        await from.CopyToAsync(file, cancellationToken).WaitAsync(cancellationToken);
    }

    /// <summary>Gives a stream what is in it.</summary>
    public async Task EmptyAsync(Stream to, CancellationToken cancellationToken)
    {
        await using var file = File.OpenRead(Path);
        await file.CopyToAsync(to, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();
}
