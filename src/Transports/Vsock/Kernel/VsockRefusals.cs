namespace ChannelSdk.Transports.Vsock.Kernel;

/// <summary>A connection of a CID that belongs to no instance.</summary>
/// <param name="Cid">The CID, null if the other side had gone before it was asked for.</param>
/// <param name="Port">The port of this machine.</param>
/// <param name="Total">The refusals of this process so far.</param>
public readonly record struct VsockRefusal(uint? Cid, uint Port, long Total);

/// <summary>Tells of connections to <c>vsock-listen</c> endpoints that were refused, for a log.</summary>
public static class VsockRefusals
{
    private static long s_total;

    /// <summary>
    /// Raised for each refusal, on the I/O thread: return at once. A guest can cause any number of them, so a log
    /// should limit its lines.
    /// </summary>
    public static event Action<VsockRefusal>? Refused;

    internal static void Tell(uint? cid, uint port)
    {
        var refusal = new VsockRefusal(cid, port, Interlocked.Increment(ref s_total));
        try
        {
            Refused?.Invoke(refusal);
        }
        catch (Exception)
        {
            // A log that fails must not end the service.
        }
    }
}
