using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>One end of a session under test: records what it is told and checks that numbered messages come once and in order.</summary>
internal sealed class Peer : ISessionHandler, ISessionEvents, IWireEnd
{
    private readonly Dictionary<SessionStream, Inbound> _inbound = [];
    private ulong _nonces;

    public Peer(PeerRole role, SessionOptions? options = null, int seed = 1)
    {
        _nonces = (ulong)seed << 16 | (ulong)role;
        Session = new Session(role, options ?? new SessionOptions(), this, this, () => ++_nonces * 0x9E3779B97F4A7C15);
    }

    public Session Session { get; }
    public long NextDeadline => Session.NextDeadline;
    public List<string> Events { get; } = [];
    public List<(uint Stream, ChannelError Code, bool MayHaveRun)> Resets { get; } = [];
    /// <summary>Whole messages by the header text of their stream.</summary>
    public Dictionary<string, List<byte[]>> Messages { get; } = [];
    public HashSet<string> Finished { get; } = [];
    public List<SessionStream> Opened { get; } = [];
    public Heartbeat LastHeartbeat { get; private set; }
    public int Established { get; private set; }
    public int Resumed { get; private set; }
    public int Lost { get; private set; }
    public int Closed { get; private set; }
    /// <summary>Called when a pending write was taken.</summary>
    public Action<SessionStream>? WriteDone { get; set; }
    public Action<SessionStream, string>? StreamOpened { get; set; }
    /// <summary>False: the reader is slow, credit is kept until <see cref="ConsumeAll"/>.</summary>
    public bool ConsumeAtOnce { get; set; } = true;
    public long UnconsumedBytes { get; private set; }
    public Queue<(SessionStream Stream, int Bytes)> Unconsumed { get; } = new();

    public int Receive(ReadOnlySpan<byte> untrustedBytes, long now) => Session.Receive(untrustedBytes, now);

    public void Tick(long now) => Session.Tick(now);

    public void ConsumeAll()
    {
        while (Unconsumed.TryDequeue(out var item))
        {
            UnconsumedBytes -= item.Bytes;
            Session.Consume(item.Stream, item.Bytes);
        }
    }

    public SessionStream Open(string name, StreamClass streamClass = StreamClass.Rpc) =>
        Session.Open(streamClass, System.Text.Encoding.UTF8.GetBytes(name), fin: false, name);

    void ISessionEvents.OnEstablished(bool resumed)
    {
        Established++;
        Resumed += resumed ? 1 : 0;
        Events.Add(resumed ? "resumed" : "established");
    }

    void ISessionEvents.OnLinkLost(ChannelError error, string text) => Events.Add($"link lost: {error}");

    void ISessionEvents.OnSessionLost(ChannelError error, string text)
    {
        Lost++;
        Events.Add($"session lost: {error}");
    }

    void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat) => LastHeartbeat = heartbeat;

    void ISessionHandler.OnOpened(SessionStream stream, ReadOnlySpan<byte> untrustedHeader, bool fin)
    {
        var name = System.Text.Encoding.UTF8.GetString(untrustedHeader);
        _inbound[stream] = new Inbound(name);
        Opened.Add(stream);
        StreamOpened?.Invoke(stream, name);
    }

    void ISessionHandler.OnData(SessionStream stream, ReadOnlySpan<byte> untrustedData, DataFlags flags)
    {
        if (!_inbound.TryGetValue(stream, out var inbound))
        {
            _inbound[stream] = inbound = new Inbound($"reply:{stream.State}");
        }

        inbound.Part.Write(untrustedData);
        if ((flags & DataFlags.More) == 0)
        {
            if (!Messages.TryGetValue(inbound.Name, out var list))
            {
                Messages[inbound.Name] = list = [];
            }

            if (inbound.Part.Length > 0 || (flags & DataFlags.Fin) == 0)
            {
                list.Add(inbound.Part.ToArray());
            }

            inbound.Part.SetLength(0);
        }

        if ((flags & DataFlags.Fin) != 0)
        {
            Finished.Add(inbound.Name);
        }

        if (ConsumeAtOnce)
        {
            Session.Consume(stream, untrustedData.Length);
        }
        else
        {
            UnconsumedBytes += untrustedData.Length;
            Unconsumed.Enqueue((stream, untrustedData.Length));
        }
    }

    void ISessionHandler.OnReset(SessionStream stream, ChannelError code)
    {
        Resets.Add((stream.Id, code, stream.MayHaveRun));
        _inbound.Remove(stream);
    }

    void ISessionHandler.OnWriteDone(SessionStream stream) => WriteDone?.Invoke(stream);

    void ISessionHandler.OnClosed(SessionStream stream)
    {
        Closed++;
        _inbound.Remove(stream);
    }

    public static byte[] Number(int n, int size = 4)
    {
        var message = new byte[Math.Max(4, size)];
        BinaryPrimitives.WriteInt32LittleEndian(message, n);
        for (var i = 4; i < message.Length; i++)
        {
            message[i] = (byte)(n + i);
        }

        return message;
    }

    private sealed record Inbound(string Name)
    {
        public MemoryStream Part { get; } = new();
    }
}
