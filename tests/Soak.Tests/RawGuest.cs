using System.Net.Sockets;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Soak.Tests;

/// <summary>A guest on a Unix socket that is frames only: it makes the handshake and then sends what an attack wants.</summary>
internal sealed class RawGuest : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly byte[] _output = new byte[256 << 10];
    private readonly byte[] _input = new byte[64 << 10];
    private Socket? _link;
    private UInt128 _epoch;
    private UInt128 _nonce;
    private uint _links;
    private int _filled;

    internal RawGuest(string path)
    {
        File.Delete(path);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(16);
    }

    /// <summary>The next sequence number of this side.</summary>
    internal uint Sequence { get; set; }

    /// <summary>Whether what the host sends is read and dropped, so that it is not the host's output that ends the flood.</summary>
    internal bool IsReading { get; set; }

    /// <summary>Takes the host's next connection, without a word.</summary>
    internal void Accept()
    {
        _link?.Dispose();
        _link = _listener.Accept();
        _filled = 0;
    }

    /// <summary>A link with a new session, established.</summary>
    internal void Establish()
    {
        while (true)
        {
            try
            {
                Accept();
                (_nonce, _links, Sequence) = (Random128(), 1, 0);
                _epoch = Random128();
                SendHello(default, isEstablished: false);
                Flush();
                while (true)
                {
                    var hello = ReadHello();
                    SendHello(hello, isEstablished: true);
                    Flush();
                    if (hello.Echo == _epoch)
                    {
                        return;
                    }
                }
            }
            catch (SocketException)
            {
                // The host has given this connection up; it makes another one.
            }
        }
    }

    /// <summary>A HELLO of a link that restarts within this one.</summary>
    internal void SendFreshHello()
    {
        _epoch = Random128();
        _links++;
        SendHello(default, isEstablished: false);
    }

    /// <summary>One frame into the buffer, which goes out when it is full. A sequenced one takes the next number unless the attack says one.</summary>
    internal void Send(FrameType type, uint stream = 0, ReadOnlySpan<byte> payload = default, DataFlags flags = DataFlags.None, uint? sequence = null)
    {
        if (_filled + FrameHeader.Size + payload.Length > _output.Length)
        {
            Flush();
        }

        var isNext = sequence is null && ((byte)type & FrameHeader.SequencedBit) != 0;
        _filled += FrameHeader.WriteFrame(_output.AsSpan(_filled), type, flags, stream, sequence ?? (isNext ? Sequence++ : 0), payload);
    }

    /// <summary>Any bytes.</summary>
    internal void SendBytes(ReadOnlySpan<byte> bytes)
    {
        Flush();
        _link!.Send(bytes);
    }

    /// <summary>Sends no more on this link, and goes on to receive.</summary>
    internal void CompleteSend() => _link!.Shutdown(SocketShutdown.Send);

    /// <summary>Sends what is buffered. Fails with a <see cref="SocketException"/> when the host has dropped the link.</summary>
    internal void Flush()
    {
        var sent = 0;
        while (sent < _filled)
        {
            if (IsReading && _link!.Available > 0)
            {
                _link.Receive(_input);
            }

            if (!IsReading || _link!.Poll(1000, SelectMode.SelectWrite))
            {
                sent += _link!.Send(_output.AsSpan(sent, _filled - sent));
            }
        }

        _filled = 0;
    }

    public void Dispose()
    {
        _link?.Dispose();
        _listener.Dispose();
    }

    private void SendHello(in Hello of, bool isEstablished)
    {
        Span<byte> payload = stackalloc byte[Hello.Size];
        var hello = RawHello.Of(PeerRole.Guest) with
        {
            IsEstablished = isEstablished,
            Epoch = _epoch,
            Echo = of.Epoch,
            Nonce = _nonce,
            PeerNonce = of.Nonce,
            LinkCount = _links,
        };
        hello.Write(payload);
        Send(FrameType.Hello, 0, payload, sequence: Hello.MarkerSequence);
    }

    private Hello ReadHello()
    {
        var frame = new byte[FrameHeader.Size + Hello.Size];
        for (var at = 0; at < frame.Length;)
        {
            var count = _link!.Receive(frame.AsSpan(at));
            if (count == 0)
            {
                throw new SocketException((int)SocketError.ConnectionReset);
            }

            at += count;
        }

        return Hello.Read(frame.AsSpan(FrameHeader.Size));
    }

    private static UInt128 Random128() => new((ulong)Random.Shared.NextInt64(1, long.MaxValue), (ulong)Random.Shared.NextInt64());
}
