using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>Tools that wait for the other half with a stream, by its name and direction. A name serves one of each direction at a time.</summary>
internal sealed class ScriptPipes(ScriptSignal signal)
{
    private static readonly object s_taken = new();
    private readonly Dictionary<(string Name, bool IsWriter), ScriptPipeEnd> _waiting = [];

    public async ValueTask OfferAsync(ScriptPipeEnd end, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        var key = (end.Name, end.IsWriter);
        lock (signal.Gate)
        {
            signal.ThrowIfOver();
            if (!_waiting.TryAdd(key, end))
            {
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused,
                    $"another tool of this half {(end.IsWriter ? "sends" : "receives")} the stream {end.Name}; one after the other, or by another name");
            }

            signal.Change();
        }

        try
        {
            await signal.WaitAsync(() => Taken(end), timeout, $"waiting for the other half with the stream {end.Name}", cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException) when (!Withdraw(end))
        {
            // The other half came at the last moment.
        }
        catch
        {
            Withdraw(end);
            throw;
        }
    }

    public async ValueTask<ScriptPipeEnd> TakeAsync(string name, bool isWriter, CancellationToken cancellationToken)
    {
        Check(name);
        return await signal.WaitAsync(() => Take((name, isWriter)), null, $"waiting for the stream {name}", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether a stream may have this name.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>.</exception>
    public static void Check(string untrustedName)
    {
        if (!InstallNames.IsBarrier(untrustedName))
        {
            throw InstallNames.Wrong("stream", InstallNames.BarrierCharacters);
        }
    }

    private object? Taken(ScriptPipeEnd end)
    {
        if (end.IsTaken)
        {
            return s_taken;
        }

        signal.ThrowIfPeerEnded();
        return null;
    }

    private ScriptPipeEnd? Take((string Name, bool IsWriter) key)
    {
        if (!_waiting.Remove(key, out var end))
        {
            return null;
        }

        end.IsTaken = true;
        signal.Change();
        return end;
    }

    /// <summary>Whether it was still waiting.</summary>
    private bool Withdraw(ScriptPipeEnd end)
    {
        lock (signal.Gate)
        {
            return !end.IsTaken && _waiting.Remove((end.Name, end.IsWriter));
        }
    }
}
