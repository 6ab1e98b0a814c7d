using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>
/// Files of an OS definition. A link is never followed: a user's definition could make a file of the host part of what an
/// appliance is given.
/// </summary>
internal static class SourceFile
{
    private const int NoFollow = 0x20000;
    private const UnixFileMode AnyExecute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Reads a whole regular file.</summary>
    /// <exception cref="ChannelException">BadConfiguration: it is missing, unreadable, no regular file or too long.</exception>
    public static (byte[] Content, bool IsExecutable) Read(string path, int mostBytes)
    {
        using var file = Open(path);
        try
        {
            var length = RandomAccess.GetLength(file);
            if (length > mostBytes)
            {
                throw Wrong(path, $"it has {length} bytes; {mostBytes} are allowed");
            }

            var content = new byte[length];
            for (var done = 0; done < content.Length;)
            {
                var count = RandomAccess.Read(file, content.AsSpan(done), done);
                done += count > 0 ? count : throw Wrong(path, "it became shorter while it was read");
            }

            return (content, (File.GetUnixFileMode(file) & AnyExecute) != 0);
        }
        catch (IOException e)
        {
            throw Wrong(path, e.Message, e);
        }
    }

    /// <summary>Checks that a script of the host can be started, and that not anybody can have written it.</summary>
    /// <exception cref="ChannelException">BadConfiguration: it is unreadable, no regular file, not executable, or everybody may write it.</exception>
    public static void CheckTrustedScript(string path)
    {
        using var file = Open(path);
        var mode = File.GetUnixFileMode(file);
        if ((mode & AnyExecute) == 0)
        {
            throw Wrong(path, "it is not executable; run 'chmod +x' on it, or remove it if there is to be no such script");
        }

        if ((mode & UnixFileMode.OtherWrite) != 0)
        {
            throw Wrong(path, "everybody may write it, and it would run on the host with this program's rights; run 'chmod o-w' on it");
        }
    }

    private static SafeFileHandle Open(string path)
    {
        // Not blocking, so that a pipe in the place of the file holds nobody up.
        var number = Libc.Open(path, NoFollow | Linux.O_NONBLOCK | Linux.O_CLOEXEC, 0);
        if (number < 0)
        {
            const int tooManyLinks = 40;
            throw Wrong(path, Errno.Last == tooManyLinks ? "it is a link; put the file itself there" : System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(Errno.Last));
        }

        var file = new SafeFileHandle(number, ownsHandle: true);
        if (IsRegular(number))
        {
            return file;
        }

        file.Dispose();
        throw Wrong(path, "it is no regular file");
    }

    private static unsafe bool IsRegular(int file)
    {
        const int regular = 0x8000;
        StatxResult result;
        return Libc.Statx(file, "", Linux.AT_EMPTY_PATH, Linux.STATX_TYPE_MODE_INO, &result) == 0 && (result.Mode & Linux.S_IFMT) == regular;
    }

    private static ChannelException Wrong(string path, string text, Exception? inner = null) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"{path}: {text}", inner);
}
