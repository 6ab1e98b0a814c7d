using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>
/// Source ports below 1024, which only a privileged process of a guest may bind (ip(7), vsock(7): CAP_NET_BIND_SERVICE). By them a
/// host tells the agent from any other process of its guest.
/// </summary>
internal static class ReservedPort
{
    /// <summary>The first port that any process may bind.</summary>
    internal const uint End = 1024;

    /// <summary>Below are servers that may be started later (as bindresvport(3)).</summary>
    private const int First = 600;
    private const int Count = (int)End - First;

    /// <summary>What a host tells of a link that does not come from one.</summary>
    internal static string Refusal(uint port) =>
        $"a program of the guest connected from port {port}, which any of its users can do; the agent connects from a port below {End}; "
        + "run it as root or with CAP_NET_BIND_SERVICE, or allow other ports with ?source-ports=any";

    /// <summary>Binds a socket to a free port. A process without the privilege keeps a port that the kernel chooses.</summary>
    /// <param name="bind">Binds to a port: 0 or an errno.</param>
    internal static void Bind(Func<uint, int> bind)
    {
        var start = Random.Shared.Next(Count);
        for (var i = 0; i < Count; i++)
        {
            if (bind((uint)(First + (start + i) % Count)) != Errno.EADDRINUSE)
            {
                return;
            }
        }
    }
}
