using System.Text;
using ChannelSdk.Linux.Native;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>
/// Where a path leads through links, so that the policy can be asked about the target too. Then the target is opened,
/// without following a link: a change meanwhile cannot lead elsewhere.
/// </summary>
internal static class PathFollower
{
    /// <summary>A path without empty, "." and ".." parts, by its text alone.</summary>
    public static string Normalize(string path)
    {
        if (!path.StartsWith('/'))
        {
            return path;
        }

        var parts = new List<string>();
        foreach (var part in path.Split('/'))
        {
            if (part == "..")
            {
                parts.RemoveRange(Math.Max(0, parts.Count - 1), Math.Min(1, parts.Count));
            }
            else if (part is not ("" or "."))
            {
                parts.Add(part);
            }
        }

        return "/" + string.Join('/', parts);
    }

    /// <summary>The path of a file, existing or to be made, with all links followed; the path itself where that cannot be told.</summary>
    /// <param name="path">A path as it came, which may have ".." parts: behind a link they lead where the link does.</param>
    /// <param name="normal">The same by its text.</param>
    public static RawPath Resolve(string path, RawPath normal)
    {
        if (!path.StartsWith('/') || path.Contains('\0', StringComparison.Ordinal))
        {
            return normal;
        }

        if (PathOpener.Follow([.. Encoding.UTF8.GetBytes(path), 0]) is { } file)
        {
            using (file)
            {
                return PathOf(file) is { } target ? RawPath.Parse(target) : normal;
            }
        }
        // It is to be made: where its folder is.
        var slash = path.TrimEnd('/').LastIndexOf('/');
        var name = path.TrimEnd('/')[(slash + 1)..];
        if (name is "" or "." or ".." || PathOpener.Follow([.. Encoding.UTF8.GetBytes(path[..(slash + 1)]), 0]) is not { } folder)
        {
            return normal;
        }

        using (folder)
        {
            return PathOf(folder) is { } target
                ? RawPath.Parse(ByteString.CopyFrom([.. target.Length == 1 ? [] : target.Span, (byte)'/', .. Encoding.UTF8.GetBytes(name)])) : normal;
        }
    }

    private static unsafe ByteString? PathOf(SafeFileHandle file)
    {
        const int most = 4096;
        var target = stackalloc byte[most];
        fixed (byte* link = Encoding.ASCII.GetBytes($"/proc/self/fd/{file.DangerousGetHandle()}\0"))
        {
            var length = FileCalls.ReadLink(link, target, most);
            return length is <= 0 or >= most || target[0] != '/' ? null : ByteString.CopyFrom(new ReadOnlySpan<byte>(target, (int)length));
        }
    }
}
