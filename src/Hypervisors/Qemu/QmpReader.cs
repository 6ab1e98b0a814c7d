using System.Buffers;
using System.Net.Sockets;
using System.Text.Json;
using ChannelSdk.Host.Json;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Reads what a QMP server says, line by line. A server may be hostile: it is bounded before anything is built of it.</summary>
/// <param name="socket">The connection; it stays the caller's.</param>
internal sealed class QmpReader(Socket socket)
{
    /// <summary>Bytes of the longest line.</summary>
    public const int MaxLine = 1 << 20;

    private const int Start = 4096;
    private const int MaxTokens = 128 << 10;
    private byte[] _buffer = new byte[Start];
    private int _begin;
    private int _end;
    private int _searched;

    /// <summary>Whether a whole line is here already.</summary>
    public bool HasLine => _buffer.AsSpan(_searched, _end - _searched).Contains((byte)'\n');

    /// <summary>The next object. A wait that was cancelled loses nothing of it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TransportFailed"/>: it is no QMP. <see cref="ChannelError.LinkLost"/>: the server has gone.</exception>
    public async ValueTask<JsonElement> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var found = _buffer.AsSpan(_searched, _end - _searched).IndexOf((byte)'\n');
            if (found >= 0)
            {
                var line = _buffer.AsSpan(_begin, _searched + found - _begin).ToArray();
                _begin = _searched += found + 1;
                return Parse(line);
            }

            _searched = _end;
            MakeRoom();
            var count = await ReceiveAsync(cancellationToken).ConfigureAwait(false);
            _end += count > 0 ? count : throw new ChannelException(ChannelError.LinkLost, ErrorClass.MayHaveRun, "QEMU closed its QMP socket");
        }
    }

    private async ValueTask<int> ReceiveAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await socket.ReceiveAsync(_buffer.AsMemory(_end), SocketFlags.None, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new ChannelException(ChannelError.LinkLost, ErrorClass.MayHaveRun, "QEMU went away", e);
        }
    }

    private static JsonElement Parse(byte[] untrusted)
    {
        try
        {
            var root = UntrustedJson.Parse(untrusted, MaxTokens);
            return root.ValueKind == JsonValueKind.Object ? root : throw QmpClient.NotQmp("it sent something else than an object");
        }
        catch (JsonException e)
        {
            throw QmpClient.NotQmp(SafeText.Escape(e.Message, 200));
        }
    }

    private void MakeRoom()
    {
        var length = _end - _begin;
        if (length >= MaxLine)
        {
            Move(new byte[Start], 0);
            throw QmpClient.NotQmp($"it sent a line of more than {MaxLine} bytes");
        }

        // Large ones are borrowed: a monitor whose lines have no end would keep the collector busy.
        Move(length == _buffer.Length ? ArrayPool<byte>.Shared.Rent(2 * length) : length == 0 && _buffer.Length > Start ? new byte[Start] : _buffer, length);
    }

    private void Move(byte[] target, int length)
    {
        _buffer.AsSpan(_begin, length).CopyTo(target);
        if (target != _buffer && _buffer.Length > Start)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        (_buffer, _begin, _end, _searched) = (target, 0, length, length);
    }
}
