using System.ComponentModel;
using System.Runtime.InteropServices;

namespace ChannelSdk.Transports.Native;

/// <summary>What people are told of an error of files and programs: the system's own words, in place of the runtime's sentences around them.</summary>
internal static class FileFault
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
        Win32Exception program => Words(program.NativeErrorCode) ?? program.Message,
        ArgumentException => "it can be no path here",
        IOException { HResult: Errno.EAGAIN } => "another process has it open",
        IOException => Words(e.HResult) ?? e.Message,
        _ => e.Message,
    };

    private static string? Words(int errno)
    {
        if (errno is <= 0 or > MostErrno)
        {
            return null;
        }

        var words = Marshal.GetPInvokeErrorMessage(errno);
        return char.ToLowerInvariant(words[0]) + words[1..];
    }
}
