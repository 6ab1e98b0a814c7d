using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Install.Operations;

/// <summary>
/// Keeps instances for one operation, or for a change of their records that no operation may meet, among all processes of a host.
/// It ends with its process, also when that is killed.
/// </summary>
public sealed class InstanceLock : IDisposable
{
    private readonly List<FileStream> _files = [];

    private InstanceLock()
    {
    }

    /// <summary>Takes all of them, or none.</summary>
    /// <param name="folder">As <see cref="InstallerOptions.Folder"/>.</param>
    /// <param name="instances">Their names, each once.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.FailedPrecondition"/>: an operation on one of them is under way, which the text names, or a lock cannot be
    /// taken. <see cref="ChannelError.BadConfiguration"/>: a name is not allowed, or the folder cannot be made.
    /// </exception>
    public static InstanceLock Take(string folder, params ReadOnlySpan<string> instances)
    {
        ArgumentNullException.ThrowIfNull(folder);
        folder = Path.GetFullPath(folder);
        var locks = Path.Combine(folder, "locks");
        PrivateFolder.Ensure(folder);
        PrivateFolder.Ensure(locks);
        var result = new InstanceLock();
        try
        {
            foreach (var instance in instances)
            {
                InstanceName.Check(instance);
                result._files.Add(Open(locks, instance, Path.Combine(folder, Installer.OperationsFolder)));
            }

            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    /// <summary>Gives them back.</summary>
    public void Dispose()
    {
        foreach (var file in _files)
        {
            file.Dispose();
        }
    }

    // The kernel's lock on a file ends with the process.
    private static FileStream Open(string locks, string instance, string operations)
    {
        try
        {
            return new FileStream(Path.Combine(locks, instance), new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                BufferSize = 0,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }
        catch (IOException e) when (e.HResult == Errno.EAGAIN)
        {
            var other = Installer.Journals(operations).FirstOrDefault(j => j.Journal.Instance == instance && j.Journal.Outcome is null).Journal;
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, other is null
                ? $"{instance} is kept by another operation or command; try again when that has ended"
                : $"the operation {other.Operation} ({OsDefinition.ScriptName(other.Action)}) on {instance} is under way since {other.Started:u}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, $"the lock of {instance} in {locks} cannot be taken: {FileFault.Describe(e)}", e);
        }
    }
}
