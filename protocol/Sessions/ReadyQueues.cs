using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// Streams that have something to send, a queue for each class: strict priority between classes, deficit round robin
/// within one (M. Shreedhar, G. Varghese, "Efficient Fair Queuing Using Deficit Round Robin", 1995).
/// </summary>
internal sealed class ReadyQueues
{
    private readonly Queue<SessionStream>[] _queues = [new(), new(), new()];

    /// <summary>Bytes a stream may send in its turn: one large frame, so that round robin costs no splitting.</summary>
    public const int Quantum = SessionOptions.LargestMaxFrame;

    /// <summary>So many dead streams are not worth a walk of a queue.</summary>
    public const int FewDead = 64;

    public void Add(SessionStream stream)
    {
        if (!stream.IsQueued)
        {
            stream.IsQueued = true;
            _queues[(int)stream.Class].Enqueue(stream);
        }
    }

    /// <summary>Whether nothing of this or a higher class waits.</summary>
    public bool IsIdleUpTo(StreamClass streamClass)
    {
        for (var i = 0; i <= (int)streamClass; i++)
        {
            if (_queues[i].Count != 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Streams that have died while they waited.</summary>
    public int Dead { get; set; }

    public int Count => _queues[0].Count + _queues[1].Count + _queues[2].Count;

    /// <summary>The stream whose turn it is in a class.</summary>
    public bool TryPeek(StreamClass streamClass, out SessionStream stream) => _queues[(int)streamClass].TryPeek(out stream!);

    /// <summary>Takes the first stream out: it has nothing to send or no credit.</summary>
    public void Remove(StreamClass streamClass)
    {
        var stream = _queues[(int)streamClass].Dequeue();
        Dead -= stream.IsDead ? 1 : 0;
        stream.IsQueued = false;
        stream.Deficit = 0;
    }

    /// <summary>Ends the first stream's turn. Bytes sent beyond its quantum count against its next turn.</summary>
    public void Rotate(StreamClass streamClass)
    {
        var queue = _queues[(int)streamClass];
        queue.Enqueue(queue.Dequeue());
    }

    /// <summary>Takes the dead streams out once they are the most of it.</summary>
    public void Trim()
    {
        if (Dead > FewDead && Dead > Count / 2)
        {
            RemoveDead();
        }
    }

    /// <summary>Takes the dead streams out.</summary>
    public void RemoveDead()
    {
        Dead = 0;
        foreach (var queue in _queues)
        {
            for (var i = queue.Count; i > 0; i--)
            {
                var stream = queue.Dequeue();
                stream.IsQueued = !stream.IsDead;
                if (stream.IsQueued)
                {
                    queue.Enqueue(stream);
                }
            }
        }
    }
}
