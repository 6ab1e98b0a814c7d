using System.Buffers.Binary;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// The socket to the front-end: cuts messages and the descriptors that come with them. It never reads beyond a message,
/// as descriptors belong to the bytes that they were sent with.
/// </summary>
internal sealed unsafe class FrontEndSocket(ForeignFd fd) : IDisposable
{
    private const int HeaderSize = 12;
    private const int MaxFiles = GuestMemory.MaxRegions;

    private readonly byte[] _buffer = new byte[HeaderSize + VhostUser.MaxPayload];
    private readonly List<SafeFd> _files = [];
    private int _have;

    /// <summary>The socket.</summary>
    internal SafeFd Fd => fd;

    /// <summary>Closes what came through it.</summary>
    internal ForeignCloser Closer => fd.Closer;

    /// <summary>The request of the message at hand.</summary>
    internal VhostUserRequest Request => (VhostUserRequest)BinaryPrimitives.ReadUInt32LittleEndian(_buffer);

    /// <summary>Whether the front-end wants to be told that it was done (REPLY_ACK).</summary>
    internal bool NeedsReply => (Flags & VhostUser.NeedsReply) != 0;

    /// <summary>The payload of the message at hand.</summary>
    internal ReadOnlySpan<byte> Payload => _buffer.AsSpan(HeaderSize, PayloadLength);

    /// <summary>The descriptors of the current message; a caller that keeps one removes it.</summary>
    internal List<SafeFd> Files => _files;

    /// <summary>Whether a part of a message was read.</summary>
    internal bool IsWithinMessage => _have > 0;

    private uint Flags => BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan(4));

    private int PayloadLength => (int)BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan(8));

    /// <summary>Reads on: true for a whole message, false if there is none yet, null when the front-end has gone.</summary>
    /// <exception cref="DeviceFaultException">The bytes are no message.</exception>
    internal bool? TryRead()
    {
        while (true)
        {
            var wanted = HeaderSize;
            if (_have >= HeaderSize)
            {
                CheckHeader();
                wanted += PayloadLength;
                if (_have == wanted)
                {
                    return true;
                }
            }

            var received = Receive(_buffer.AsSpan(_have, wanted - _have));
            if (received <= 0)
            {
                return received == 0 ? null : false;
            }

            _have += received;
        }
    }

    /// <summary>Ends the current message; descriptors that were not taken are closed.</summary>
    internal void Next()
    {
        _have = 0;
        CloseFiles();
    }

    /// <summary>Answers the message at hand.</summary>
    /// <exception cref="DeviceFaultException">The front-end does not take it.</exception>
    internal void Reply(ReadOnlySpan<byte> payload)
    {
        Span<byte> message = stackalloc byte[HeaderSize + payload.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)Request);
        BinaryPrimitives.WriteUInt32LittleEndian(message[4..], VhostUser.Version | VhostUser.IsReply);
        BinaryPrimitives.WriteUInt32LittleEndian(message[8..], (uint)payload.Length);
        payload.CopyTo(message[HeaderSize..]);
        nint sent;
        fixed (byte* start = message)
        {
            sent = SocketCalls.Send(fd, start, (nuint)message.Length, Abi.MSG_NOSIGNAL | Abi.MSG_DONTWAIT);
        }
        // A front-end waits for its answers, so that the socket always has room for one.
        if (sent != message.Length)
        {
            throw new DeviceFaultException("a front-end that does not take the answer to its request");
        }
    }

    public void Dispose()
    {
        CloseFiles();
        fd.EndSocket();
        fd.Dispose();
    }

    private void CheckHeader()
    {
        if ((Flags & (VhostUser.VersionMask | VhostUser.IsReply)) != VhostUser.Version
            || BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan(8)) > VhostUser.MaxPayload)
        {
            throw new DeviceFaultException($"a vhost-user message {(uint)Request} with flags {Flags:x} and an impossible length or version");
        }
    }

    private int Receive(Span<byte> target)
    {
        var control = stackalloc byte[ControlMessages.Room];
        fixed (byte* start = target)
        {
            var vector = new IoVector { Start = start, Length = (nuint)target.Length };
            while (true)
            {
                var message = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlMessages.Room };
                var received = SocketCalls.RecvMsg(fd, &message, Abi.MSG_CMSG_CLOEXEC | Abi.MSG_DONTWAIT);
                if (received >= 0)
                {
                    ControlMessages.ReceiveFiles(control, message.ControlLength, fd.Closer, _files);
                    if ((message.Flags & Abi.MSG_CTRUNC) != 0 || _files.Count > MaxFiles)
                    {
                        throw new DeviceFaultException($"a vhost-user message with more than {MaxFiles} descriptors");
                    }

                    return (int)received;
                }

                switch (Errno.Last)
                {
                    case Errno.EINTR:
                        continue;
                    case Errno.EAGAIN:
                        return -1;
                    default:
                        return 0;
                }
            }
        }
    }

    private void CloseFiles()
    {
        foreach (var file in _files)
        {
            file.Dispose();
        }

        _files.Clear();
    }
}
