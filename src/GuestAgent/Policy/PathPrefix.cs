using System.Text;

namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// Compares names of files with allowed folders, by name alone. Where a name leads to through links is checked by the code that
/// opens it, beneath the folder that matched.
/// </summary>
internal static class PathPrefix
{
    // PATH_MAX of Linux with its terminating zero.
    private const int MaxBytes = 4095;

    /// <summary>
    /// Whether a name is absolute and says itself where it is: no empty, <c>.</c> or <c>..</c> part, no zero
    /// character, at most 4095 bytes. Control characters are allowed, as file systems allow them.
    /// </summary>
    public static bool IsPlain(string path)
    {
        if (path.Length == 0 || path[0] != '/' || path.Contains('\0', StringComparison.Ordinal)
            || Encoding.UTF8.GetByteCount(path) > MaxBytes)
        {
            return false;
        }

        if (path.Length == 1)
        {
            return true;
        }

        foreach (var range in path.AsSpan(1).Split('/'))
        {
            if (path.AsSpan(1)[range] is "" or "." or "..")
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The longest of the folders that a plain name is or is below, or null.</summary>
    public static string? Find(IEnumerable<string> folders, string path)
    {
        string? best = null;
        foreach (var folder in folders)
        {
            var within = folder == "/" || path == folder
                || (path.StartsWith(folder, StringComparison.Ordinal) && path[folder.Length] == '/');
            if (within && (best is null || folder.Length > best.Length))
            {
                best = folder;
            }
        }

        return best;
    }
}
