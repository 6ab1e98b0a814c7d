using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Seam;

/// <summary>A call that a worker carries, as its supervisor keeps it.</summary>
/// <param name="wipes">Whether a write buffer is overwritten before it goes back to the pool.</param>
internal sealed class SeamCall(bool wipes) : RpcCall(BufferPool.Shared, wipes)
{
    private readonly byte[] _method = new byte[RpcHeader.MaxMethod];
    private int _methodLength;
    private StreamClass _class;
    private bool _isOver = true;

    /// <summary>The call's number between the two processes.</summary>
    public uint Id;
    /// <summary>The worker was told of it.</summary>
    public bool IsBegun;
    /// <summary>Links that there had been when it was told and none was up; -1: one was.</summary>
    public long LinksAtBegin;
    /// <summary>When its first message must have come; 0 for no such time.</summary>
    public long AnswerBy;
    /// <summary>A message that waits for room; its memory is the caller's.</summary>
    public ReadOnlyMemory<byte> Pending;
    public DataFlags PendingFlags;
    public bool HasPending;
    /// <summary>A write that the worker has ends when the session has taken all but <see cref="TakenAt"/> bytes.</summary>
    public bool AwaitsTaken;
    public int TakenAt;
    /// <summary>Bytes that the worker has and the session has not.</summary>
    public int Outstanding;
    /// <summary>What was received and not read, in bytes with the cost of each message.</summary>
    public long Unread;

    public override StreamClass StreamClass => _class;

    public override bool IsOver => _isOver;

    public override bool CanWrite => !_isOver && !OwnDone && !HasPending && !AwaitsTaken;

    public ReadOnlySpan<byte> Method => _method.AsSpan(0, _methodLength);

    public void Start(uint id, StreamClass streamClass, ReadOnlySpan<byte> method)
    {
        (Id, _class, _methodLength, _isOver) = (id, streamClass, method.Length, false);
        method.CopyTo(_method);
    }

    /// <summary>It has left the table.</summary>
    public void End()
    {
        _isOver = true;
        (HasPending, AwaitsTaken, Pending, Unread) = (false, false, default, 0);
    }

    internal override void Reuse(bool isIncoming, bool isStream, object? state)
    {
        base.Reuse(isIncoming, isStream, state);
        IsBegun = HasPending = AwaitsTaken = false;
        (Pending, PendingFlags, Outstanding, Unread) = (default, DataFlags.None, 0, 0);
        AnswerBy = 0;
    }
}
