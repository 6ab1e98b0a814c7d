using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Definitions;

/// <summary>
/// The way of a link to a regular file outside of a definition, step by step. Only root and this program's user can have made each link,
/// and can change each folder on it and the file: no other user chooses which file of the host is read.
/// </summary>
internal static class TrustedLink
{
    private const int MaxSteps = 256;
    private const int MaxTarget = 4096;

    /// <summary>Opens the file that a link leads to.</summary>
    /// <param name="folder">Where the link is.</param>
    /// <param name="name">The link.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it leads to no regular file, or others can change the way.</exception>
    public static SourceFile Follow(SourceFolder folder, string name)
    {
        var link = Path.Combine(folder.Path, name);
        var why = $"the link {link} leads through it";
        folder.RequireTrusted($"the link {link} in it leads to a file elsewhere");
        var ways = new Stack<string>([name]);
        SafeFileHandle? owned = null;
        try
        {
            for (var step = 0; step < MaxSteps; step++)
            {
                if (!ways.TryPop(out var part))
                {
                    throw SourceFolder.Wrong(link, "it leads to a folder outside of the definition; put the folder itself there, or links to its files");
                }

                var next = Open(owned ?? folder.Handle, part, link);
                if (FileIdentity.Of((int)next.DangerousGetHandle()) is not { IsLink: true })
                {
                    owned?.Dispose();
                    owned = next;
                    TrustedOwner.Require(next, Place(next), why);
                    if (ways.Count == 0 && FileIdentity.Of((int)next.DangerousGetHandle()) is { IsFolder: false })
                    {
                        return Reopen(next, link);
                    }

                    continue;
                }

                using (next)
                {
                    TrustedOwner.RequireOwner(next, link, "it is a link that is followed");
                    var target = Target(next, link);
                    foreach (var later in target.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
                    {
                        ways.Push(later);
                    }

                    if (target.StartsWith('/'))
                    {
                        ways.Push("/");
                    }
                }
            }
        }
        finally
        {
            owned?.Dispose();
        }

        throw SourceFolder.Wrong(link, $"the link cannot be followed: {Errno.Message(Errno.ELOOP)}");
    }

    private static SafeFileHandle Open(SafeFileHandle folder, string part, string link)
    {
        var number = FileCalls.OpenAt(folder, part, Abi.O_PATH | Abi.O_NOFOLLOW | Abi.O_CLOEXEC);
        return number >= 0 ? new SafeFileHandle(number, ownsHandle: true) : throw SourceFolder.Wrong(link, $"the link cannot be followed: {Errno.Message(Errno.Last)}");
    }

    private static SourceFile Reopen(SafeFileHandle found, string link)
    {
        if (FileIdentity.Of((int)found.DangerousGetHandle()) is not { IsRegular: true })
        {
            throw SourceFolder.Wrong(link, "it leads to no regular file");
        }

        var number = FileCalls.Open(OwnPath(found), Abi.O_NOCTTY | Abi.O_CLOEXEC);
        return number >= 0 ? new SourceFile(new SafeFileHandle(number, ownsHandle: true), link) : throw SourceFolder.Wrong(link, $"the link cannot be followed: {Errno.Message(Errno.Last)}");
    }

    private static unsafe string Target(SafeFileHandle found, string link)
    {
        var target = new byte[MaxTarget];
        byte empty = 0;
        fixed (byte* bytes = target)
        {
            var length = FileCalls.ReadLinkAt(found, &empty, bytes, MaxTarget);
            return length is > 0 and < MaxTarget ? System.Text.Encoding.UTF8.GetString(target, 0, (int)length) : throw SourceFolder.Wrong(link, "the link cannot be read");
        }
    }

    private static string Place(SafeFileHandle found) => new FileInfo(OwnPath(found)).LinkTarget ?? OwnPath(found);

    private static string OwnPath(SafeFileHandle found) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/proc/self/fd/{(int)found.DangerousGetHandle()}");
}
