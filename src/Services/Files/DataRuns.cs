namespace ChannelSdk.Services.Files;

/// <summary>Finds the parts of a block that are not pages of zeros, so that a copy of a sparse file has its holes again.</summary>
public static class DataRuns
{
    // The least hole of the kernel's file systems.
    private const int Page = 4096;

    /// <summary>The next part with data in it.</summary>
    /// <param name="block">The block; its beginning is the beginning of a page.</param>
    /// <param name="from">Where to look from; 0, then what the run before ended at.</param>
    /// <param name="run">The part.</param>
    /// <returns>False if only zeros are left.</returns>
    public static bool TryNext(ReadOnlySpan<byte> block, int from, out Range run)
    {
        while (from < block.Length && IsZero(block, from))
        {
            from += Page;
        }

        var end = from;
        while (end < block.Length && !IsZero(block, end))
        {
            end = Math.Min(end + Page, block.Length);
        }

        run = Math.Min(from, block.Length)..end;
        return from < block.Length;
    }

    private static bool IsZero(ReadOnlySpan<byte> block, int at) => !block.Slice(at, Math.Min(Page, block.Length - at)).ContainsAnyExcept((byte)0);
}
