using System.Text;
using ChannelSdk.Protocol;

namespace ChannelSdk.Runtime.Halves;

/// <summary>Named places where the halves wait for each other. Each serves once.</summary>
internal sealed class HalfBarriers(HalfSignal signal, IHalfOutlet outlet)
{
    private const string Allowed = "a-z, A-Z, 0-9, '.', '_' and '-'";
    private static readonly object s_passed = new();
    private readonly Dictionary<string, Place> _places = new(StringComparer.Ordinal);

    private enum Own
    {
        Elsewhere,
        Waiting,
        // A wait took its time; it may be taken up again.
        Left,
        Passed,
    }

    public async ValueTask ReachAsync(string name, uint timeoutMs, CancellationToken cancellationToken)
    {
        if (!HalfNames.IsBarrier(name))
        {
            throw HalfNames.Wrong("barrier", Allowed);
        }

        Place place;
        bool isFirst;
        lock (signal.Gate)
        {
            signal.ThrowIfOver();
            place = Find(name);
            if (place.Own is Own.Waiting or Own.Passed)
            {
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused,
                    $"the barrier {name} {(place.Own == Own.Passed ? "was passed before" : "is waited at already")}; a barrier serves once, use another name");
            }

            isFirst = place.Own == Own.Elsewhere;
            place.Own = Own.Waiting;
        }

        try
        {
            if (isFirst)
            {
                await outlet.SendAsync(InstallMessage.Barrier, Encoding.ASCII.GetBytes(name)).ConfigureAwait(false);
            }

            await signal.WaitAsync(() => Pass(place), timeoutMs, $"waiting for the other half at the barrier {name}", cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (signal.Gate)
            {
                place.Own = place.Own == Own.Passed ? Own.Passed : Own.Left;
            }
        }
    }

    /// <summary>The other half is there.</summary>
    public void PeerReached(ReadOnlySpan<byte> untrustedName)
    {
        var name = untrustedName.Length <= HalfLimits.MaxName ? Encoding.Latin1.GetString(untrustedName) : "";
        if (!HalfNames.IsBarrier(name))
        {
            throw HalfNames.Wrong("barrier", Allowed);
        }

        lock (signal.Gate)
        {
            Find(name).IsPeerThere = true;
            signal.Change();
        }
    }

    private object? Pass(Place place)
    {
        if (place.IsPeerThere)
        {
            place.Own = Own.Passed;
            return s_passed;
        }

        signal.ThrowIfPeerEnded();
        return null;
    }

    private Place Find(string name)
    {
        if (_places.TryGetValue(name, out var place))
        {
            return place;
        }

        if (_places.Count == HalfLimits.MaxBarriers)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused, $"an operation has at most {HalfLimits.MaxBarriers} barriers");
        }

        return _places[name] = new Place();
    }

    private sealed class Place
    {
        public Own Own { get; set; }
        public bool IsPeerThere { get; set; }
    }
}
