using System.Net.Sockets;
using System.Text;

namespace ChannelSdk.Soak.Tests;

/// <summary>A qemu-ga or a QMP monitor that answers what costs its host the most.</summary>
internal static class HostileJsonPeer
{
    /// <summary>Much without the end of a line, then a byte at a time.</summary>
    internal static void Drip(string path, Action met)
    {
        // Made once, as below: a host that takes less of it soon has the attacker dial again.
        var much = Encoding.ASCII.GetBytes(new string('x', 15 << 20));
        Serve(path, met, link =>
        {
            Send(link, much);
            while (true)
            {
                Send(link, "y"u8);
                Thread.Sleep(1);
            }
        });
    }

    /// <summary>Lines of 16 MiB of small values, asked for or not.</summary>
    internal static void LargeReplies(string path, Action met)
    {
        // Made once: the attacker's own time and memory are not measured.
        var line = Encoding.ASCII.GetBytes("{\"return\":[" + string.Join(',', Enumerable.Repeat("0", 8_000_000)) + "]}\n");
        Serve(path, met, link =>
        {
            while (true)
            {
                Send(link, line);
            }
        });
    }

    private static void Serve(string path, Action met, Action<Socket> attack)
    {
        File.Delete(path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(4);
        while (true)
        {
            using var link = listener.Accept();
            met();
            try
            {
                attack(link);
            }
            catch (SocketException)
            {
                // The host has dropped it; it dials again.
            }
        }
    }

    private static void Send(Socket link, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[link.Send(bytes)..];
        }
    }
}
