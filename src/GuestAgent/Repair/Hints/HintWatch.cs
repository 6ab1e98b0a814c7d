using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Repair.Hints;

/// <summary>
/// Looks each second for hints that this guest is a copy. A hint alone has the kernel reseed its random numbers at once, which harms no guest;
/// then the host is asked, and only what it says changes who the guest is.
/// </summary>
/// <param name="sources">Where hints come from.</param>
/// <param name="reseed">Has the kernel reseed its random numbers; an errno number, 0 for success.</param>
/// <param name="ask">Asks the host. A <see cref="ChannelException"/> means that it did not answer.</param>
/// <param name="act">Acts on the host's word as on snapshot.Complete.</param>
/// <param name="generation">The present generation.</param>
/// <param name="log">The log.</param>
/// <param name="time">The clock of the looks.</param>
internal sealed class HintWatch(
    IReadOnlyList<IHintSource> sources, Func<int> reseed, Func<InquireRequest, Task<InquireReply>> ask, Func<CompleteRequest, Task> act,
    Func<byte[]> generation, AgentLog log, TimeProvider time) : IDisposable
{
    /// <summary>The hint that the host did not know the session.</summary>
    public const string Session = "session";

    /// <summary>The time between two inquiries.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    // A host that does not come back within a minute will tell by itself what it knows.
    private const int MaxAttempts = 12;
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private readonly List<string> _open = [];
    private readonly Lock _looking = new();
    private ITimer? _timer;
    private bool _isStopped;
    private Task _inquiry = Task.CompletedTask;
    private DateTimeOffset _next = DateTimeOffset.MinValue;
    private int _attempts;

    /// <summary>Begins to look.</summary>
    public void Start() => _timer = time.CreateTimer(static watch => ((HintWatch)watch!).Look(), this, s_look, s_look);

    /// <summary>Something that is not looked for has given a hint. Any thread.</summary>
    public void Notice(string hint)
    {
        lock (_gate)
        {
            _attempts = 0;
            if (!_open.Contains(hint))
            {
                _open.Add(hint);
            }
        }

        log.Info($"this guest may be a copy: {hint}");
        Reseed();
    }

    /// <summary>Looks once, and asks the host if something is open and it is time to.</summary>
    public void Look()
    {
        // A look that takes longer than a second is not overtaken.
        if (!_looking.TryEnter())
        {
            return;
        }

        try
        {
            if (!_isStopped)
            {
                LookAlone();
            }
        }
        finally
        {
            _looking.Exit();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer?.Dispose();
        lock (_looking)
        {
            _isStopped = true;
            foreach (var source in sources)
            {
                source.Dispose();
            }
        }
    }

    private void LookAlone()
    {
        foreach (var source in sources)
        {
            if (source.HasChanged())
            {
                Notice(source.Name);
            }
        }

        lock (_gate)
        {
            if (_open.Count == 0 || !_inquiry.IsCompleted || time.GetUtcNow() is var now && now < _next && _next - now <= Pause)
            {
                return;
            }

            _next = now + Pause;
            var request = new InquireRequest { Generation = ByteString.CopyFrom(generation()) };
            request.Hints.AddRange(_open);
            _attempts++;
            _inquiry = InquireAsync(request);
        }
    }

    private async Task InquireAsync(InquireRequest request)
    {
        // The lock of the caller is not held while something is sent.
        await Task.Yield();
        try
        {
            var reply = await ask(request).ConfigureAwait(false);
            Close(request.Hints);
            if (reply.Complete is { } complete)
            {
                await act(complete).ConfigureAwait(false);
            }
        }
        catch (ChannelException e) when (e.Code == ChannelError.UnknownMethod)
        {
            Close(request.Hints);
        }
        catch (ChannelException e)
        {
            if (_attempts >= MaxAttempts)
            {
                Close(request.Hints);
            }

            log.Debug($"the host did not say whether this guest is a copy: {e.Message}");
        }
        catch (Exception e)
        {
            Close(request.Hints);
            log.Error($"the host's word on this guest could not be acted on: {e.Message}");
        }
    }

    private void Close(IEnumerable<string> hints)
    {
        lock (_gate)
        {
            foreach (var hint in hints)
            {
                _open.Remove(hint);
            }
        }
    }

    private void Reseed()
    {
        if (reseed() is var error and not 0)
        {
            log.Warning($"the kernel does not reseed its random numbers (RNDRESEEDCRNG): {Errno.Describe(error)}");
        }
    }
}
