using System.Text;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>
/// The folder of one operation, its user's alone: the scripts and the socket of the half. Below /run, so in memory and gone
/// with the appliance.
/// </summary>
internal sealed class InstallFolder
{
    /// <summary>Begins the names of all such folders.</summary>
    public const string Prefix = "install-";

    private const int MaxNameBytes = 255;

    /// <summary>Bytes of a first line that the kernel reads (BINPRM_BUF_SIZE).</summary>
    private const int MaxFirstLine = 256;

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private int _count;
    private int _bytes;

    private InstallFolder(string folder) => Folder = folder;

    public string Folder { get; }

    public string Socket => SocketIn(Folder);

    /// <summary>Where the scripts are, and where they are run.</summary>
    public string Scripts => $"{Folder}/scripts";

    /// <summary>The socket's path in the folder of an operation.</summary>
    public static string SocketIn(string folder) => $"{folder}/half.sock";

    /// <summary>Makes the folder of an operation.</summary>
    /// <param name="runFolder">What it lies in.</param>
    /// <param name="operation">Hexadecimal digits.</param>
    /// <param name="target">Where the script is to mount the system; made too.</param>
    /// <exception cref="ChannelException">It cannot be made.</exception>
    public static InstallFolder Create(string runFolder, string operation, string target)
    {
        var result = new InstallFolder($"{runFolder}/{Prefix}{operation}");
        try
        {
            Directory.CreateDirectory(runFolder, Private);
            Directory.CreateDirectory(result.Folder, Private);
            Directory.CreateDirectory(result.Scripts, Private);
            Directory.CreateDirectory(target, Private);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed("the folder of the operation", e);
        }

        return result;
    }

    /// <summary>Writes a script.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>, or <see cref="ChannelError.ResourceExhausted"/> beyond the bounds.</exception>
    public void Add(InstallScript untrusted)
    {
        var name = untrusted.Name;
        var isElsewhere = name.StartsWith('/');
        var parts = name[(isElsewhere ? 1 : 0)..].Split('/');
        if (parts.Length > ScriptLimits.MaxFileDepth || !parts.All(IsName))
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused,
                $"'{LogText.Escape(name, 100)}' is no path of a script; it has 1 to {ScriptLimits.MaxFileDepth} parts of 1 to {MaxNameBytes} bytes, without control characters, '.' and '..'");
        }

        _bytes += untrusted.Content.Length;
        if (++_count > ScriptLimits.MaxFiles || untrusted.Content.Length > ScriptLimits.MaxFileBytes || _bytes > ScriptLimits.MaxAllFileBytes)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused,
                $"at most {ScriptLimits.MaxFiles} scripts of {ScriptLimits.MaxFileBytes} bytes, {ScriptLimits.MaxAllFileBytes} in all, are allowed");
        }

        var mode = UnixFileMode.UserRead | (untrusted.IsExecutable ? UnixFileMode.UserExecute : 0);
        var path = isElsewhere ? name : $"{Scripts}/{name}";
        var flags = Abi.O_WRONLY | Abi.O_CREAT | Abi.O_EXCL | Abi.O_NOFOLLOW | Abi.O_CLOEXEC;
        try
        {
            if (isElsewhere)
            {
                // In place of what the appliance, or the operation before this one, has there.
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.Delete(path);
            }
            else
            {
                // No script has begun, so nobody else has put anything there.
                Directory.CreateDirectory(Path.GetDirectoryName(path)!, Private);
            }

            using var file = new SafeFileHandle(FileCalls.Open(path, flags, (uint)mode), ownsHandle: true);
            if (file.IsInvalid)
            {
                throw new IOException(Errno.Message(Errno.Last));
            }

            RandomAccess.Write(file, untrusted.Content.Span, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed($"the script {LogText.Escape(name, 100)}", e);
        }
    }

    /// <summary>The program that a script's first line names and that is not there; null if it names none, or the program is there.</summary>
    public string? MissingInterpreter(string script)
    {
        Span<byte> start = stackalloc byte[MaxFirstLine];
        try
        {
            using var file = File.OpenHandle($"{Scripts}/{script}");
            start = start[..RandomAccess.Read(file, start, 0)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        var end = start.IndexOf((byte)'\n');
        var line = start[..(end < 0 ? start.Length : end)];
        // As the kernel reads it: blanks around the program's path, its argument behind (execve(2)).
        var words = line.StartsWith("#!"u8) ? Encoding.UTF8.GetString(line[2..]).Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries) : [];
        return words is [var program, ..] && !File.Exists(program) ? program : null;
    }

    private static bool IsName(string part) =>
        part is not ("" or "." or "..") && Encoding.UTF8.GetByteCount(part) <= MaxNameBytes && !part.Any(char.IsControl);

    private static ChannelException Failed(string what, Exception e) =>
        new(ChannelError.FailedPrecondition, ErrorClass.Refused, $"{what} cannot be written in the appliance (is it there twice, or is /run full?)", e);
}
