using System.Runtime.InteropServices;
using ChannelSdk.Host.Files;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Definitions;

/// <summary>
/// An open folder of an OS definition. All in it is opened beneath it, one name at a time and never through a link, so that
/// its author can replace entries meanwhile and yet reach no other file of the host.
/// </summary>
internal sealed class SourceFolder : IDisposable
{
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
    /// <summary>Why a script must be trusted, behind its name.</summary>
    public const string RunsOnHost = "would run on the host with this program's rights";

    private const int MaxTrustedNames = 1024;
    private const int MaxTrustedDepth = 8;

    private readonly SafeFileHandle _handle;

    private SourceFolder(SafeFileHandle handle, string path) => (_handle, Path) = (handle, path);

    /// <summary>Where it was found, for people.</summary>
    public string Path { get; }

    /// <summary>Opens a folder by its path; only its own name may not be a link.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is not there, no folder, or a link.</exception>
    public static SourceFolder Open(string path)
    {
        var number = FileCalls.Open(path, Abi.O_DIRECTORY | Abi.O_NOFOLLOW | Abi.O_CLOEXEC, 0);
        return number >= 0 ? new SourceFolder(new SafeFileHandle(number, ownsHandle: true), path) : throw Failed(path, Errno.Last);
    }

    /// <summary>Opens a folder in it; null if there is none of that name.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is no folder, or a link.</exception>
    public SourceFolder? Folder(string name) => OpenIn(name, Abi.O_DIRECTORY) is { } handle ? new SourceFolder(handle, Of(name)) : null;

    /// <summary>Whether a name in it is a folder's now; a link is none.</summary>
    public bool HasFolder(string name) => new DirectoryInfo($"{OpenPath}/{name}") is { Exists: true, LinkTarget: null };

    /// <summary>Opens a regular file in it; null if there is none of that name. A pipe in its place does not block.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is a link, unreadable, or no regular file.</exception>
    public SourceFile? File(string name)
    {
        if (OpenIn(name, Abi.O_NONBLOCK) is not { } handle)
        {
            return null;
        }

        var file = new SourceFile(handle, Of(name));
        try
        {
            file.RequireRegular();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// As <see cref="File"/>, or the file that a link of that name leads to: where only root and this program's user can have made the
    /// link and written the file, as packages have their configuration elsewhere.
    /// </summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is unreadable, no regular file, or a link that others can have made.</exception>
    public SourceFile? LinkedFile(string name)
    {
        if (new FileInfo($"{OpenPath}/{name}").LinkTarget is null)
        {
            return File(name);
        }

        RequireTrusted($"a script in it {RunsOnHost}");
        var number = FileCalls.OpenAt(_handle, name, Abi.O_NONBLOCK | Abi.O_NOCTTY | Abi.O_CLOEXEC);
        var file = number >= 0 ? new SourceFile(new SafeFileHandle(number, ownsHandle: true), Of(name)) : throw Wrong(Of(name), $"the link cannot be followed: {Errno.Message(Errno.Last)}");
        try
        {
            file.RequireRegular();
            RequireTrusted(file.Handle, file.Path, "a link that is followed leads to it");
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The names in it, sorted, and no more than so many.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be read.</exception>
    public IReadOnlyList<string> Names(int most)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(OpenPath).Take(most).Select(static path => System.IO.Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Wrong(Path, FileFault.Describe(e), e);
        }
    }

    /// <summary>Checks that only root and this program's user can put other files into it, or another folder in its place.</summary>
    /// <param name="why">Why that matters, as a clause.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: which folder, and what is wrong with it.</exception>
    public void RequireTrusted(string why)
    {
        try
        {
            for (var path = new FileInfo(OpenPath).LinkTarget; path is not null; path = System.IO.Path.GetDirectoryName(path))
            {
                using var folder = new SafeFileHandle(FileCalls.Open(path, Abi.O_PATH | Abi.O_DIRECTORY | Abi.O_NOFOLLOW | Abi.O_CLOEXEC, 0), ownsHandle: true);
                if (folder.IsInvalid)
                {
                    throw Failed(path, Errno.Last);
                }

                RequireTrusted(folder, path, why);
            }
        }
        catch (IOException e)
        {
            throw Wrong(Path, FileFault.Describe(e), e);
        }
    }

    /// <summary>Checks the same of all that is in it and in its folders, as a script of the host that begins here may read it; links are followed.</summary>
    /// <param name="except">Name of an entry that is not looked at.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: which file, and what is wrong with it.</exception>
    public void RequireTrustedContent(string except) => RequireTrustedContent(except, 1);

    /// <summary>Checks that only root and this program's user can change what is open. In a sticky folder a user can change only own entries.</summary>
    /// <param name="handle">The open file or folder.</param>
    /// <param name="path">Where it was found.</param>
    /// <param name="why">Why that matters, as a clause.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>.</exception>
    public static void RequireTrusted(SafeFileHandle handle, string path, string why)
    {
        var (owner, _) = LocalFile.OwnerOf(handle);
        if (owner != 0 && owner != ProcessCalls.GetEUid())
        {
            throw Wrong(path, $"it belongs to user {owner}, and {why}; give it to root or to this program's user");
        }

        var mode = System.IO.File.GetUnixFileMode(handle);
        if ((mode & OthersWrite) != 0 && (mode & UnixFileMode.StickyBit) == 0)
        {
            throw Wrong(path, $"{((mode & UnixFileMode.OtherWrite) != 0 ? "everybody" : "its group")} may write it, and {why}; run 'chmod go-w' on it");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    internal static ChannelException Wrong(string path, string text, Exception? inner = null) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"{SafeText.Escape(path)}: {text}", inner);

    private void RequireTrustedContent(string? except, int depth)
    {
        var names = Names(MaxTrustedNames + 1);
        if (names.Count > MaxTrustedNames || depth > MaxTrustedDepth)
        {
            throw Wrong(Path, $"a definition with scripts for the host has folders of at most {MaxTrustedNames} entries, {MaxTrustedDepth} deep");
        }

        foreach (var name in names.Where(name => name != except))
        {
            using var entry = new SafeFileHandle(FileCalls.OpenAt(_handle, name, Abi.O_PATH | Abi.O_CLOEXEC), ownsHandle: true);
            if (!entry.IsInvalid)
            {
                RequireTrusted(entry, Of(name), "a script of the definition may read it on the host, with this program's rights");
            }

            using var folder = HasFolder(name) ? Folder(name) : null;
            folder?.RequireTrustedContent(null, depth + 1);
        }
    }

    private string OpenPath => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/proc/self/fd/{(int)_handle.DangerousGetHandle()}");

    private string Of(string name) => System.IO.Path.Combine(Path, name);

    private SafeFileHandle? OpenIn(string name, int flags)
    {
        // One name, so that nothing is followed or climbed.
        if (name.Length == 0 || name is "." or ".." || name.Contains('/', StringComparison.Ordinal))
        {
            throw Wrong(Of(name), "it is no name of a file");
        }

        var number = FileCalls.OpenAt(_handle, name, flags | Abi.O_NOFOLLOW | Abi.O_NOCTTY | Abi.O_CLOEXEC);
        var error = number < 0 ? Errno.Last : 0;
        return number >= 0 ? new SafeFileHandle(number, ownsHandle: true)
            : error == Errno.ENOENT ? null
            : throw Failed(Of(name), error, error == Errno.ENOTDIR && new FileInfo($"{OpenPath}/{name}").LinkTarget is not null);
    }

    private static ChannelException Failed(string path, int error, bool isLink = false) => Wrong(path,
        isLink || error == Errno.ELOOP || (error == Errno.ENOTDIR && new FileInfo(path).LinkTarget is not null)
            ? "it is a link; put the file or folder itself there" : Errno.Message(error));
}
