using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Tests.Vsock;

namespace ChannelSdk.Transports.Tests.Hostile;

/// <summary>Hands a connection to a user-net endpoint and makes it blocking: a receive or send without its own flag never returns.</summary>
internal sealed class BlockingHandOver(string socketPath) : IHostilePeer
{
    private readonly List<SafeFd> _files = [];

    public void Attack()
    {
        var (given, kept) = TestLibc.SocketPair();
        _files.AddRange([given, kept]);
        using var helper = new FrontEndDouble(socketPath);
        helper.SendRaw("x"u8, given);
        Block(given);
        // As much as a receive asks for at once, so that it asks once more.
        TestLibc.Write(kept, new byte[Bytes]);
        Block(given);
    }

    /// <summary>The bytes that a handed-over connection brings.</summary>
    internal const int Bytes = 4096;

    /// <summary>Makes all connections blocking once more, in case the other side has changed them.</summary>
    internal void BlockAll() => _files.ForEach(Block);

    public void Dispose() => _files.ForEach(static file => file.Dispose());

    private static void Block(SafeFd file)
    {
        var flags = DescriptorCalls.Fcntl(file, Abi.F_GETFL, 0);
        _ = DescriptorCalls.Fcntl(file, Abi.F_SETFL, flags & ~Abi.O_NONBLOCK);
    }
}
