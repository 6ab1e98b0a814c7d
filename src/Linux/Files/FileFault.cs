using System.ComponentModel;
using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Files;

/// <summary>What people are told of an error of files and programs: the system's own message, in place of the runtime's sentences around them.</summary>
public static class FileFault
{
    private const int MostErrno = 133;

    /// <summary>The part of a line that says why, without the path, which stands elsewhere in it.</summary>
    public static string Describe(Exception e) => e switch
    {
        FileNotFoundException => "there is no such file",
        DirectoryNotFoundException => "there is no such folder",
        PathTooLongException => "the path is too long",
        // The runtime says this of a folder too, where a file was expected.
        UnauthorizedAccessException { InnerException: IOException { HResult: Errno.EACCES or Errno.EPERM or < 0 } } => "permission denied, or it is no file",
        UnauthorizedAccessException { InnerException: IOException inner } => Describe(inner),
        Win32Exception program => Message(program.NativeErrorCode) ?? program.Message,
        ArgumentException => "it can be no path here",
        IOException { HResult: Errno.EAGAIN } => "another process has it open",
        IOException => Message(e.HResult) ?? e.Message,
        _ => e.Message,
    };

    private static string? Message(int errno)
    {
        if (errno is <= 0 or > MostErrno)
        {
            return null;
        }

        var message = Errno.Message(errno);
        return char.ToLowerInvariant(message[0]) + message[1..];
    }
}
