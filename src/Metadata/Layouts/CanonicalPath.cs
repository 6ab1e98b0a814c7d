namespace ChannelSdk.Metadata.Layouts;

/// <summary>The one spelling of a path by which the tree is asked: no slash at the ends, no empty segment, "latest" for a dated version.</summary>
internal static class CanonicalPath
{
    /// <summary>Characters of the longest path that can lead anywhere.</summary>
    public const int MaxLength = 512;

    /// <summary>Characters of the longest canonical form: "latest" is longer than the version "1.0".</summary>
    public const int MaxCanonicalLength = MaxLength + 3;

    /// <summary>Writes the canonical form. Returns its length; -1 if the path is too long.</summary>
    public static int Write(ReadOnlySpan<char> path, Span<char> result)
    {
        if (path.Length > MaxLength)
        {
            return -1;
        }

        var (length, index) = (0, 0);
        ReadOnlySpan<char> face = default;
        foreach (var range in path.Split('/'))
        {
            var segment = path[range];
            if (segment.IsEmpty)
            {
                continue;
            }

            if (index == 0)
            {
                face = segment;
            }

            if (length > 0)
            {
                result[length++] = '/';
            }

            var name = IsDated(face, segment, index) ? ApiVersions.Latest : segment;
            name.CopyTo(result[length..]);
            length += name.Length;
            index++;
        }

        return length;
    }

    private static bool IsDated(ReadOnlySpan<char> face, ReadOnlySpan<char> segment, int index) => index switch
    {
        0 => ApiVersions.IsEc2(segment),
        1 => (face is "openstack" && ApiVersions.IsOpenStack(segment)) || (face is "ganeti" && ApiVersions.IsGaneti(segment)),
        _ => false,
    };
}
