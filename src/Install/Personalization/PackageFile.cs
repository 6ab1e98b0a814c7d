using ChannelSdk.Host.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Personalization;

/// <summary>A personalization package in a file of this host.</summary>
internal static class PackageFile
{
    /// <summary>Opens it.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="cancellationToken">Ends the wait for a file system that does not answer.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>, <see cref="ChannelError.PermissionDenied"/>: what the file system says, or that it is no regular file.</exception>
    public static async Task<FileStream> OpenAsync(string path, CancellationToken cancellationToken)
    {
        var opening = Task.Run(() => Open(path), CancellationToken.None);
        try
        {
            return await opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _ = opening.ContinueWith(static opened => opened.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
            throw;
        }
    }

    private static FileStream Open(string path) => new(LocalFile.OpenRegular(path), FileAccess.Read, bufferSize: 0);
}
