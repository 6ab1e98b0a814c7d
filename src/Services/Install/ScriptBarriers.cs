using System.Text;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>Named barriers at which the halves wait for each other. Each serves once.</summary>
internal sealed class ScriptBarriers(ScriptSignal signal, IScriptSink sink)
{
    private static readonly object s_passed = new();
    private readonly Dictionary<string, Barrier> _barriers = new(StringComparer.Ordinal);

    private enum Own
    {
        Elsewhere,
        Waiting,
        // A wait took its time; it may be taken up again.
        Left,
        Passed,
    }

    public async ValueTask ReachAsync(string name, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        if (!InstallNames.IsBarrier(name))
        {
            throw InstallNames.Wrong("barrier", InstallNames.BarrierCharacters);
        }

        Barrier barrier;
        bool isFirst;
        lock (signal.Gate)
        {
            signal.ThrowIfOver();
            barrier = Find(name);
            if (barrier.Own is Own.Waiting or Own.Passed)
            {
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused,
                    $"the barrier {name} {(barrier.Own == Own.Passed ? "was passed before" : "is waited at already")}; a barrier serves once, use another name");
            }

            isFirst = barrier.Own == Own.Elsewhere;
            barrier.Own = Own.Waiting;
        }

        try
        {
            if (isFirst)
            {
                await sink.SendAsync(InstallMessage.Barrier, Encoding.ASCII.GetBytes(name)).ConfigureAwait(false);
            }

            await signal.WaitAsync(() => Pass(barrier), timeout, $"waiting for the other half at the barrier {name}", cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (signal.Gate)
            {
                barrier.Own = barrier.Own == Own.Passed ? Own.Passed : Own.Left;
            }
        }
    }

    /// <summary>The other half is there.</summary>
    public void PeerReached(ReadOnlySpan<byte> untrustedName)
    {
        var name = untrustedName.Length <= ScriptLimits.MaxName ? Encoding.Latin1.GetString(untrustedName) : "";
        if (!InstallNames.IsBarrier(name))
        {
            throw InstallNames.Wrong("barrier", InstallNames.BarrierCharacters);
        }

        lock (signal.Gate)
        {
            Find(name).IsPeerThere = true;
            signal.Change();
        }
    }

    private object? Pass(Barrier barrier)
    {
        if (barrier.IsPeerThere)
        {
            barrier.Own = Own.Passed;
            return s_passed;
        }

        signal.ThrowIfPeerEnded();
        return null;
    }

    private Barrier Find(string name)
    {
        if (_barriers.TryGetValue(name, out var barrier))
        {
            return barrier;
        }

        if (_barriers.Count == ScriptLimits.MaxBarriers)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused, $"an operation has at most {ScriptLimits.MaxBarriers} barriers");
        }

        return _barriers[name] = new Barrier();
    }

    private sealed class Barrier
    {
        public Own Own { get; set; }
        public bool IsPeerThere { get; set; }
    }
}
