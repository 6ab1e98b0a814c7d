using ChannelSdk.Host.Files;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Definitions;

/// <summary>An open regular file of an OS definition: the checked file is the one that is read or run.</summary>
internal sealed class SourceFile(SafeFileHandle handle, string path) : IDisposable
{
    private const UnixFileMode AnyExecute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>The file itself.</summary>
    public SafeFileHandle Handle => handle;

    /// <summary>Where it was found, for people.</summary>
    public string Path => path;

    /// <summary>Whether any user may execute it.</summary>
    public bool IsExecutable => (File.GetUnixFileMode(handle) & AnyExecute) != 0;

    /// <summary>Reads it whole.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is unreadable or too long.</exception>
    public byte[] Read(int mostBytes)
    {
        try
        {
            var length = RandomAccess.GetLength(handle);
            if (length > mostBytes)
            {
                throw SourceFolder.Wrong(path, $"it has {length} bytes; {mostBytes} are allowed");
            }

            var content = new byte[length];
            return LocalFile.Read(handle, content, 0) == length ? content : throw SourceFolder.Wrong(path, "it became shorter while it was read");
        }
        catch (IOException e)
        {
            throw SourceFolder.Wrong(path, FileFault.Describe(e), e);
        }
    }

    /// <summary>Checks that it can be started as a script of the host, and that only root and this program's user can have written it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is not executable, belongs to another user, or others may write it.</exception>
    public void RequireTrustedScript()
    {
        if (!IsExecutable)
        {
            throw SourceFolder.Wrong(path, "it is not executable; run 'chmod +x' on it, or remove it if there is to be no such script");
        }

        TrustedOwner.Require(handle, path, $"it {SourceFolder.RunsOnHost}");
    }

    /// <summary>Checks that it is a regular file.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>.</exception>
    public void RequireRegular()
    {
        if (FileIdentity.Of((int)handle.DangerousGetHandle()) is not { IsRegular: true })
        {
            throw SourceFolder.Wrong(path, "it is no regular file");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();
}
