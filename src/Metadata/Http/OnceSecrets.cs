using ChannelSdk.Metadata.Layouts;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Http;

/// <summary>
/// Which secrets of an instance were given with "once". A secret is the object that holds it, not its value: to put
/// the same value again makes a new object, which is given again.
/// </summary>
internal sealed class OnceSecrets
{
    private readonly Lock _gate = new();
    private readonly HashSet<OsParameter> _given = new(ReferenceEqualityComparer.Instance);

    /// <summary>The parameters as the next answer would have them; nothing is given by that.</summary>
    public Resource Peek(SecretAnswer answer)
    {
        lock (_gate)
        {
            Prune(answer);
            return _given.Count == 0 ? answer.Full : answer.With(p => !_given.Contains(p));
        }
    }

    /// <summary>Claims the secrets that were not given yet, for one answer; until it is over, no other answer gets them.</summary>
    /// <param name="answer">The parameters.</param>
    /// <param name="shown">The answer that has them.</param>
    /// <returns>Empty: all were given.</returns>
    public IReadOnlyList<KeyValuePair<string, OsParameter>> Claim(SecretAnswer answer, out Resource shown)
    {
        lock (_gate)
        {
            Prune(answer);
            KeyValuePair<string, OsParameter>[] taken = [.. answer.Secrets.Where(s => !_given.Contains(s.Value))];
            shown = answer.With(p => !_given.Contains(p));
            _given.UnionWith(taken.Select(t => t.Value));
            return taken;
        }
    }

    /// <summary>Gives back what no byte of has left.</summary>
    public void Return(IReadOnlyList<KeyValuePair<string, OsParameter>> taken)
    {
        lock (_gate)
        {
            _given.ExceptWith(taken.Select(t => t.Value));
        }
    }

    // A secret that is no longer there was replaced; no request will ask for it.
    private void Prune(SecretAnswer answer)
    {
        if (_given.Count > 0)
        {
            var present = answer.Secrets.Select(s => s.Value).ToHashSet<OsParameter>(ReferenceEqualityComparer.Instance);
            _given.IntersectWith(present);
        }
    }
}
