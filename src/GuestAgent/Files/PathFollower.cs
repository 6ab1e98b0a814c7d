using System.Text;
using ChannelSdk.GuestAgent.Platform.Linux;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>
/// Where a path leads through links, so that the policy can be asked about that place too. What is opened then is that place,
/// without following anything: nothing that changes meanwhile leads elsewhere.
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
        foreach (string part in path.Split('/'))
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

    /// <summary>The place of a file, or of the one that would be made, with all links followed; the path itself where that cannot be told.</summary>
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
                return PlaceOf(file) is { } place ? RawPath.Parse(place) : normal;
            }
        }
        // It is to be made: where its folder is.
        int slash = path.TrimEnd('/').LastIndexOf('/');
        string name = path.TrimEnd('/')[(slash + 1)..];
        if (name is "" or "." or ".." || PathOpener.Follow([.. Encoding.UTF8.GetBytes(path[..(slash + 1)]), 0]) is not { } folder)
        {
            return normal;
        }
        using (folder)
        {
            return PlaceOf(folder) is { } place
                ? RawPath.Parse(ByteString.CopyFrom([.. place.Length == 1 ? [] : place.Span, (byte)'/', .. Encoding.UTF8.GetBytes(name)])) : normal;
        }
    }

    private static unsafe ByteString? PlaceOf(SafeFileHandle file)
    {
        const int most = 4096;
        byte* target = stackalloc byte[most];
        fixed (byte* link = Encoding.ASCII.GetBytes($"/proc/self/fd/{file.DangerousGetHandle()}\0"))
        {
            nint length = FileCalls.ReadLink(link, target, most);
            return length is <= 0 or >= most || target[0] != '/' ? null : ByteString.CopyFrom(new ReadOnlySpan<byte>(target, (int)length));
        }
    }
}
