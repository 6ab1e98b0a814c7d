using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>Lays a .tar.gz over a file system: read twice, once to check it and once to write it.</summary>
internal static class OverlayArchive
{
    // Of the headers and padding of as many entries as are allowed, with room for long names.
    private const long MaxHeaderBytes = 256 << 20;

    /// <summary>Lays it. Nothing was changed when it throws an error of another class than MayHaveRun.</summary>
    /// <param name="tree">The installed system.</param>
    /// <param name="archive">The whole archive.</param>
    /// <param name="limit">Most bytes of its files.</param>
    /// <param name="cancellationToken">Asked between pieces of its content.</param>
    /// <exception cref="ChannelException">The archive is refused, or what the system said.</exception>
    public static OverlayReply Lay(OverlayTree tree, Stream archive, long limit, CancellationToken cancellationToken)
    {
        var reply = Check(tree, archive, limit, cancellationToken);
        try
        {
            var writer = new OverlayWriter(tree);
            Walk(archive, limit, writer.Write, cancellationToken);
            writer.Finish();
            tree.Sync();
        }
        catch (ChannelException e)
        {
            throw new ChannelException(e.Code, ErrorClass.MayHaveRun, $"a part of the package was laid down: {e.Message}", e);
        }

        return reply;
    }

    // By itself, so that the names are forgotten before the second pass has its own.
    private static OverlayReply Check(OverlayTree tree, Stream archive, long limit, CancellationToken cancellationToken)
    {
        var (free, files) = tree.Free();
        var plan = new OverlayPlan(tree, Math.Min(limit, free));
        Walk(archive, limit, (entry, _) => plan.Add(entry), cancellationToken);
        if (plan.Room > free || plan.Files > files)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused,
                $"the archive is refused: its {plan.Files} files and folders may need {plan.Room} bytes; the installed system has room for {files} and {free} bytes");
        }

        return new OverlayReply { Entries = (ulong)plan.Entries, Bytes = (ulong)plan.Bytes };
    }

    private static void Walk(Stream archive, long limit, Action<TarEntry, TarReader> visit, CancellationToken cancellationToken)
    {
        archive.Position = 0;
        var gzip = new GzipReader(archive);
        gzip.Open();
        var tar = new TarReader(gzip, limit <= long.MaxValue - MaxHeaderBytes ? limit + MaxHeaderBytes : long.MaxValue, cancellationToken);
        while (tar.Next() is { } entry)
        {
            visit(entry, tar);
        }
    }
}
