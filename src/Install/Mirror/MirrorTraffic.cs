using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Mirror;

/// <summary>What one operation may fetch and has fetched; told to the operation's log in a bounded number of lines. Thread-safe.</summary>
/// <param name="origins">Where from.</param>
/// <param name="maxBytes">Bytes in all, both ways.</param>
/// <param name="tell">Takes a line, which may have text of a guest in it.</param>
internal sealed class MirrorTraffic(IReadOnlyList<MirrorOrigin> origins, long maxBytes, Action<InstallLogLevel, string> tell)
{
    /// <summary>Requests that were not served and are told, each in a line; further ones are counted.</summary>
    private const int MaxLines = 20;

    private long _bytes;
    private long _unserved;
    private long _unreadable;

    /// <summary>Lets a request through.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: no origin allows it, or the operation has fetched all that it may.</exception>
    public MirrorOrigin Enter(MirrorTarget target, bool isTunnel)
    {
        var origin = origins.FirstOrDefault(origin => origin.Allows(target, isTunnel))
            ?? throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused,
                $"{(isTunnel ? "a tunnel to " : "http://")}{target.Host}:{target.Port}{target.Reference} is of no mirror that the administrator of this host allows");
        if (Interlocked.Read(ref _bytes) >= maxBytes)
        {
            throw UsedUp();
        }

        origin.CountRequest();
        return origin;
    }

    /// <summary>Counts bytes before they are passed on.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: they are more than the operation may fetch.</exception>
    public void Charge(MirrorOrigin origin, int count)
    {
        if (Interlocked.Add(ref _bytes, count) > maxBytes)
        {
            throw UsedUp();
        }

        origin.CountBytes(count);
    }

    /// <summary>A request that was not served, or not to its end.</summary>
    public void Fail(ChannelException why)
    {
        var count = Interlocked.Increment(ref _unserved);
        if (count <= MaxLines)
        {
            tell(InstallLogLevel.Warning, $"mirror: {why.Message}{(count == MaxLines ? "; further requests that are not served are only counted" : "")}");
        }
    }

    /// <summary>A connection that ended before it had made a request that could be read.</summary>
    public void FailHead() => Interlocked.Increment(ref _unreadable);

    /// <summary>The sum of it, at the end.</summary>
    public void Tell()
    {
        foreach (var origin in origins)
        {
            tell(InstallLogLevel.Info, $"mirror {origin}");
        }

        if (Interlocked.Read(ref _unserved) is > 0 and var unserved)
        {
            tell(InstallLogLevel.Warning, $"mirror: {unserved} requests were not served");
        }

        if (Interlocked.Read(ref _unreadable) is > 0 and var unreadable)
        {
            tell(InstallLogLevel.Warning, $"mirror: {unreadable} connections ended without a request that could be read");
        }
    }

    private ChannelException UsedUp() => new(ChannelError.PermissionDenied, ErrorClass.Refused, $"the operation has fetched the {maxBytes} bytes that it may; the administrator of this host can allow more");
}
