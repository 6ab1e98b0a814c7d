using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>
/// Lets through the links of which the first bytes are the preface with the right token, and ends the others: when they are wrong,
/// after a time, or when too many are waited for. Not one byte behind a preface is read.
/// </summary>
/// <param name="token">The right one.</param>
/// <param name="patience">How long a link may take to say it.</param>
/// <param name="admit">Takes a link that has it.</param>
/// <param name="refuse">Called for a link that sent something else.</param>
internal sealed class PrefaceCheck(UserNetToken token, TimeSpan patience, Action<SocketLink> admit, Action refuse)
{
    /// <summary>Links that are waited for; one more ends the oldest, so that silent ones do not keep the agent out.</summary>
    internal const int MaxWaiting = 64;

    private readonly Queue<SocketLink> _waiting = new();

    /// <summary>Begins to wait for a link's preface. Ends with the link.</summary>
    internal void Begin(SocketLink link)
    {
        lock (_waiting)
        {
            if (_waiting.Count >= MaxWaiting)
            {
                _waiting.Dequeue().Abort();
            }

            _waiting.Enqueue(link);
        }

        _ = CheckAsync(link);
    }

    /// <summary>Ends the links that are waited for.</summary>
    internal void End()
    {
        lock (_waiting)
        {
            while (_waiting.TryDequeue(out var link))
            {
                link.Abort();
            }
        }
    }

    private async Task CheckAsync(SocketLink link)
    {
        // Pinned: the collector makes no copies of it.
        var preface = GC.AllocateUninitializedArray<byte>(UserNetToken.PrefaceLength, pinned: true);
        bool? isRight = null;
        try
        {
            using var limit = new Timer(static state => ((SocketLink)state!).Abort(), link, patience, Timeout.InfiniteTimeSpan);
            isRight = await ReceiveAsync(link, preface).ConfigureAwait(false);
        }
        catch (ChannelException)
        {
            // Gone, or given up.
        }

        preface.AsSpan().Clear();
        // A link that was given up in this moment is not let through.
        if (Forget(link) && isRight == true)
        {
            admit(link);
            return;
        }

        link.Abort();
        if (isRight == false)
        {
            refuse();
        }
    }

    /// <summary>Whether it begins with the right preface; null if it ended before that is known.</summary>
    private async ValueTask<bool?> ReceiveAsync(SocketLink link, byte[] preface)
    {
        for (var have = 0; have < preface.Length;)
        {
            var count = await link.ReceiveAsync(preface.AsMemory(have)).ConfigureAwait(false);
            if (count == 0)
            {
                return null;
            }

            have += count;
            var marked = Math.Min(have, UserNetToken.Mark.Length);
            if (!UserNetToken.Mark[..marked].SequenceEqual(preface.AsSpan(0, marked)))
            {
                return false;
            }
        }

        return token.IsIn(preface);
    }

    /// <summary>Takes a link from those that are waited for; false if it is no longer among them.</summary>
    private bool Forget(SocketLink link)
    {
        lock (_waiting)
        {
            var isThere = false;
            for (var i = _waiting.Count; i > 0; i--)
            {
                var other = _waiting.Dequeue();
                isThere |= other == link;
                if (other != link)
                {
                    _waiting.Enqueue(other);
                }
            }

            return isThere;
        }
    }
}
