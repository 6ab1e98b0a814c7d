using System.Text;
using ChannelSdk.Host.Files;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Definitions;

/// <summary>
/// An open folder of an OS definition. All in it is opened beneath it, so that its author can replace entries meanwhile and yet
/// reach no other file of the host: one name at a time and not through a link, or by links that stay beneath it.
/// </summary>
internal sealed class SourceFolder : IDisposable
{
    /// <summary>Why a script must be trusted, behind its name.</summary>
    public const string RunsOnHost = "would run on the host with this program's rights";

    private const int MaxTrustedNames = 1024;
    private const int MaxTrustedDepth = 8;

    /// <summary>The kernel gives up a way beneath a folder when names on it change meanwhile.</summary>
    private const int MaxTries = 16;

    private readonly SafeFileHandle _handle;

    private SourceFolder(SafeFileHandle handle, string path) => (_handle, Path) = (handle, path);

    /// <summary>Where it was found, for people.</summary>
    public string Path { get; }

    /// <summary>The folder itself.</summary>
    public SafeFileHandle Handle => _handle;

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

    /// <summary>Whether a name in it is a link's now.</summary>
    public bool HasLink(string name) => new FileInfo($"{OpenPath}/{name}").LinkTarget is not null;

    /// <summary>
    /// As <see cref="File"/>, or the file that a link of that name leads to: beneath this folder, or elsewhere where only root and this
    /// program's user can have made the link and written the file, as packages have their configuration elsewhere.
    /// </summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is unreadable, no regular file, or a link that others can have made.</exception>
    public SourceFile? LinkedFile(string name) => !HasLink(name) ? File(name) : Beneath(name) switch
    {
        null => TrustedLink.Follow(this, name),
        SourceFile file => file,
        var folder => throw NoFile(folder, Of(name)),
    };

    /// <summary>Opens what a path beneath it leads to, through links that do not leave it.</summary>
    /// <returns>A <see cref="SourceFile"/> or <see cref="SourceFolder"/>; null: a link on the way leads out.</returns>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is not there, unreadable, or neither a folder nor a regular file.</exception>
    public IDisposable? Beneath(string path)
    {
        var number = OpenBeneath(path);
        for (var tries = 1; number < 0 && Errno.Last == Errno.EAGAIN && tries < MaxTries; tries++)
        {
            number = OpenBeneath(path);
        }

        if (number < 0)
        {
            return Errno.Last == Errno.EXDEV ? null : throw Wrong(Of(path), $"the link cannot be followed: {Errno.Message(Errno.Last)}");
        }

        var handle = new SafeFileHandle(number, ownsHandle: true);
        if (FileIdentity.Of(number) is { IsFolder: true })
        {
            return new SourceFolder(handle, Of(path));
        }

        var file = new SourceFile(handle, Of(path));
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

                TrustedOwner.Require(folder, path, why);
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
                TrustedOwner.Require(entry, Of(name), "a script of the definition may read it on the host, with this program's rights");
            }

            using var folder = HasFolder(name) ? Folder(name) : null;
            folder?.RequireTrustedContent(null, depth + 1);
        }
    }

    private string OpenPath => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/proc/self/fd/{(int)_handle.DangerousGetHandle()}");

    private string Of(string name) => System.IO.Path.Combine(Path, name);

    private static ChannelException NoFile(IDisposable folder, string path)
    {
        folder.Dispose();
        return Wrong(path, "it leads to a folder, and a file is needed");
    }

    private unsafe int OpenBeneath(string path)
    {
        var how = new OpenHow { Flags = Abi.O_NONBLOCK | Abi.O_NOCTTY | Abi.O_CLOEXEC, Resolve = Abi.RESOLVE_NO_MAGICLINKS | Abi.RESOLVE_BENEATH };
        using var hold = new HandleHold(_handle);
        fixed (byte* bytes = Encoding.UTF8.GetBytes(path + '\0'))
        {
            return FileCalls.OpenAt2((int)_handle.DangerousGetHandle(), bytes, &how);
        }
    }

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
