using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>A personalization package in a file of this host.</summary>
internal static class PackageFile
{
    /// <summary>Opens it.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="cancellationToken">Ends the wait for a file system that does not answer.</param>
    /// <exception cref="ChannelException">NotFound, PermissionDenied: what the file system says, or that it is no regular file.</exception>
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

    private static FileStream Open(string path)
    {
        // Not blocking: a pipe in the place of the file would hold the operation up, whatever its deadline.
        var number = Libc.Open(path, Linux.O_NONBLOCK | Linux.O_NOCTTY | Linux.O_CLOEXEC, 0);
        if (number < 0)
        {
            const int noEntry = 2;
            var error = Errno.Last;
            throw new ChannelException(error == noEntry ? ChannelError.NotFound : ChannelError.PermissionDenied, ErrorClass.Refused,
                System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(error));
        }

        var file = new SourceFile(new SafeFileHandle(number, ownsHandle: true), path);
        try
        {
            file.RequireRegular();
            return new FileStream(file.Handle, FileAccess.Read, bufferSize: 0);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
