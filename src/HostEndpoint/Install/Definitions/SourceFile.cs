using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>An open regular file of an OS definition: what was checked is what is read or run.</summary>
internal sealed class SourceFile(SafeFileHandle handle, string path) : IDisposable
{
    private const UnixFileMode AnyExecute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>The file itself.</summary>
    public SafeFileHandle Handle => handle;

    /// <summary>Where it was found, for people.</summary>
    public string Path => path;

    /// <summary>Whether somebody may execute it.</summary>
    public bool IsExecutable => (File.GetUnixFileMode(handle) & AnyExecute) != 0;

    /// <summary>Reads it whole.</summary>
    /// <exception cref="ChannelException">BadConfiguration: it is unreadable or too long.</exception>
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
            return Services.LocalFile.Read(handle, content, 0) == length ? content : throw SourceFolder.Wrong(path, "it became shorter while it was read");
        }
        catch (IOException e)
        {
            throw SourceFolder.Wrong(path, FileFault.Describe(e), e);
        }
    }

    /// <summary>Checks that it can be started as a script of the host, and that nobody but root and this program's user can have written it.</summary>
    /// <exception cref="ChannelException">BadConfiguration: it is not executable, somebody else's, or others may write it.</exception>
    public void RequireTrustedScript()
    {
        if (!IsExecutable)
        {
            throw SourceFolder.Wrong(path, "it is not executable; run 'chmod +x' on it, or remove it if there is to be no such script");
        }

        SourceFolder.RequireTrusted(handle, path, "it");
    }

    /// <summary>Checks that it is a regular file.</summary>
    /// <exception cref="ChannelException">BadConfiguration.</exception>
    public unsafe void RequireRegular()
    {
        const int regular = 0x8000;
        StatxResult result;
        if (Libc.Statx((int)handle.DangerousGetHandle(), "", Linux.AT_EMPTY_PATH, Linux.STATX_TYPE_MODE_INO, &result) != 0 || (result.Mode & Linux.S_IFMT) != regular)
        {
            throw SourceFolder.Wrong(path, "it is no regular file");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();
}
